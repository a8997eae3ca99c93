internal import Foundation
internal import Reports
package import Runs

/// A run as lines of text.
extension RunFeed {
  /// The state that the run is in now. A folder of an earlier version, which has no status, may hold a run that goes on;
  /// without a summary it counts as lost.
  package var state: RunStatus.State {
    if let summary { return summary.status == "completed" ? .completed : .failed }
    return status?.state ?? .lost
  }

  /// Why it has failed; nil if it has not.
  package var failure: String? { summary?.error ?? status?.error }

  /// `status.json` with the state of now, and the path of the summary if there is one.
  ///
  /// - Throws: an error of encoding.
  package func statusJSON() throws -> String {
    guard var status else {
      return "{\"state\":\"\(state.rawValue)\",\"error\":\(failure.map(quoted) ?? "null"),\"summary\":\(summaryPath)}"
    }
    status.state = state
    return String(decoding: try status.encoded(), as: UTF8.self).dropLast() + ",\"summary\":\(summaryPath)}"
  }

  private var summaryPath: String { summary == nil ? "null" : quoted("\(path)/summary.json") }

  /// How the run is, or has ended.
  package var overview: [String] {
    var lines = ["\(path): \(state.rawValue)" + (failure.map { ": \($0)" } ?? "")]
    guard let status else {
      if state == .lost { lines[0] += " (it has neither status.json nor summary.json)" }
      return lines
    }
    if state == .lost {
      lines[0] += ": it has not ended, but process \(status.pid) on \(status.host) is gone or does not answer"
    }
    lines.append(status.headline)
    lines.append(status.progress)
    if !status.figuresLine.isEmpty { lines.append(status.figuresLine) }
    if let checkpoint = status.checkpoint { lines.append("checkpoint after step \(grouped(checkpoint.step))") }
    if state == .running || state == .waiting { lines += status.workers.map { $0.line(at: status.updated) } }
    return lines
  }
}

extension RunStatus {
  /// Such as `epoch 2/5  step 24/60  812.3 steps/s`.
  var progress: String {
    var text = "epoch \(epoch)/\(totalEpochs)  step \(grouped(step))/\(grouped(totalSteps))"
    if let stepsPerSecond { text += "  \(format(stepsPerSecond)) steps/s" }
    if let examplesPerSecond { text += "  \(wholeText(examplesPerSecond)) examples/s" }
    if let secondsLeft { text += "  \(duration(secondsLeft)) left" }
    return text
  }

  /// What was last measured of each part.
  var figuresLine: String {
    ["train", "validation", "test"].compactMap { figures(of: $0) }.joined(separator: "; ")
  }

  /// Such as `test loss 0.1234  accuracy 0.97`; nil if the part was not measured.
  private func figures(of part: String) -> String? {
    let named = [("loss", "loss")] + figures.map { ($0.name, $0.title) }
    let texts = named.compactMap { name, title in latest["\(part)_\(name)"].map { "\(title) \(format($0))" } }
    return texts.isEmpty ? nil : "\(part) " + texts.joined(separator: "  ")
  }
}

extension RunStatus.Worker {
  /// - Parameter now: in seconds since 1970.
  func line(at now: Double) -> String {
    let who = number > 0 ? "worker \(number) (\(name))" : "worker \(name)"
    guard state != "left" else { return "\(who): has left: \(reason ?? "")" }
    var text = "\(who): \(state), \(count(threads, "thread")), \(count(leaves, "micro-batch", "micro-batches"))"
    if let busy, let waiting, let sending {
      text += ", \(percent(busy)) computing, \(percent(waiting)) waiting, \(percent(sending)) sending"
    }
    if let parent { text += ", behind worker \(parent)" }
    if isSlow { text += ", slow" }
    return text + ", heard \(format(max(now - lastHeard, 0))) s ago"
  }

  private func percent(_ share: Double) -> String { "\(Int((100 * min(max(share, 0), 1)).rounded())) %" }
}

/// A rate without decimals. A damaged file may hold any number.
private func wholeText(_ rate: Double) -> String { grouped(Int(min(max(rate, 0), 1e15))) }

/// Follows a run as lines: its log, its evaluations, and a line a second of its steps.
package final class RunLines {
  private let feed: RunFeed
  private var pending: [String] = []
  private var step: String?
  private var logged = 0

  package init(_ feed: RunFeed) {
    self.feed = feed
    feed.onLine = { [unowned self] line in add(line) }
  }

  private func add(_ line: MetricsLine) {
    let epoch = "epoch \(line.epoch)" + (feed.status.map { "/\($0.totalEpochs)" } ?? "")
    var text = "\(epoch)  step \(grouped(line.step))" + (feed.status.map { "/\(grouped($0.totalSteps))" } ?? "")
    let titles = feed.status?.figures.map { ($0.name, $0.title) } ?? line.figures.keys.sorted().map { ($0, $0) }
    let figures = titles.compactMap { name, title in line.figures[name].map { "  \(title) \(format($0))" } }.joined()
    let loss = line.loss.map { format($0) } ?? "not finite"
    switch line.event {
    case .steps:
      text += "  loss \(loss)\(figures)"
      if line.seconds > 0 { text += "  \(wholeText(Double(line.examples) / line.seconds)) examples/s" }
      step = text
    case .evaluation(let part):
      if let step { pending.append(step) }
      step = nil
      pending.append("\(epoch)  \(part) loss \(loss)\(figures)")
    case .epoch: break
    case .checkpoint: pending.append("checkpoint after step \(grouped(line.step))")
    }
  }

  /// What is new since the last call.
  package func next() -> [String] {
    feed.poll()
    if feed.logCount < logged { logged = 0 }
    var lines = feed.log.suffix(feed.logCount - logged).map { line in
      [.warning, .left, .error].contains(line.kind) ? "\(line.kind.rawValue): \(line.text)" : line.text
    }
    logged = feed.logCount
    lines += pending
    if let step { lines.append(step) }
    (pending, step) = ([], nil)
    return lines
  }
}
