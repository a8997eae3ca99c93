internal import Foundation
package import Reports
package import Runs

/// A run as a screenful of text: its progress, the loss so far, a line for each worker, and the last messages.
package struct RunScreen {
  private let status: RunStatus
  private let losses: [(part: String, points: [Point])]
  private let messages: [String]

  /// - Parameters:
  ///   - losses: by part of the data, in the order of the legend.
  ///   - messages: the newest at the end.
  package init(_ status: RunStatus, losses: [(part: String, points: [Point])], messages: [String]) {
    (self.status, self.losses, self.messages) = (status, losses, messages)
  }

  /// At most `height` lines, none longer than `width` columns without its colours.
  package func lines(width: Int, height: Int, hasColor: Bool) -> [String] {
    func cut(_ text: String) -> String { shortened(oneLine(text), to: width) }
    var top = [cut(status.headline), bar(width), cut(status.figuresLine)]
    top = Array(top.prefix(height))
    let messages = messages.suffix(max(0, min(5, height - 12))).map(cut)
    let workers = workers(atMost: max(0, (height - top.count - messages.count) / 3)).map(cut)
    // The plot has five more lines than rows.
    let rows = height - top.count - workers.count - messages.count - 5
    return top + (rows >= 4 && width >= 40 ? plot(width, rows: min(rows, 20), hasColor) : []) + workers + messages
  }

  private func bar(_ width: Int) -> String {
    let text = status.progress
    let room = width - text.count - 2
    guard room >= 8 else { return shortened(text, to: width) }
    let share = Double(status.step) / Double(max(status.totalSteps, 1))
    let filled = min(max(Int(Double(room) * share), 0), room)
    return String(repeating: "━", count: filled) + String(repeating: "─", count: room - filled) + "  " + text
  }

  private func workers(atMost limit: Int) -> [String] {
    let lines = status.workers.map { $0.line(at: status.updated) }
    guard lines.count > limit else { return lines }
    guard limit > 0 else { return [] }
    return lines.prefix(limit - 1) + ["and \(count(lines.count - limit + 1, "worker")) more"]
  }

  private func plot(_ width: Int, rows: Int, _ hasColor: Bool) -> [String] {
    let shown = losses.filter { !$0.points.isEmpty }
    guard shown.contains(where: { $0.points.count > 1 }) else { return [] }
    let series = shown.enumerated().map { Series($1.part, $1.points, color: $0) }
    let steps = shown.flatMap { $0.points.map(\.x) }
    let values = shown.flatMap { $0.points.map(\.y) }
    return TerminalPlot(
      "loss", x: Axis("step", covering: steps, isTight: true, isWhole: true),
      y: Axis("", covering: values, kind: .automatic), series
    ).lines(width: width, rows: rows, hasColor: hasColor)
  }
}
