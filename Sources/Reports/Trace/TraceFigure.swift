internal import Foundation
internal import Optimizers

/// What a trace shows: the paths as a picture, and as a table in the terminal. The lowest end comes first.
package struct TraceFigure {
  private let function: TestFunction
  private let start: (x: Double, y: Double)
  private let steps: Int
  private let isTuned: Bool
  /// With the place of each among the rules named, which is its colour.
  private let traces: [(place: Int, trace: Trace)]
  /// What is looked at: the function's view, and the start.
  private let view: (x: ClosedRange<Double>, y: ClosedRange<Double>)

  package init(
    _ function: TestFunction, from start: (x: Double, y: Double), steps: Int, isTuned: Bool, _ traces: [Trace]
  ) {
    self.function = function
    self.start = start
    self.steps = steps
    self.isTuned = isTuned
    self.traces = traces.enumerated().map { ($0, $1) }
      .sorted { ($0.trace.finalValue, $0.place) < ($1.trace.finalValue, $1.place) }
    view = TraceFigure.view(of: function, from: start)
  }

  /// The function's view, wider where the start would not be well within it.
  package static func view(
    of function: TestFunction, from start: (x: Double, y: Double)
  ) -> (x: ClosedRange<Double>, y: ClosedRange<Double>) {
    func covering(_ range: ClosedRange<Double>, _ value: Double) -> ClosedRange<Double> {
      guard !range.contains(value) else { return range }
      let (low, high) = (min(range.lowerBound, value), max(range.upperBound, value))
      let room = (high - low) / 20
      return (value < range.lowerBound ? low - room : low)...(value > range.upperBound ? high + room : high)
    }
    return (covering(function.x, start.x), covering(function.y, start.y))
  }

  /// The picture.
  package var svg: String {
    let field = LevelField(x: view.x, y: view.y, columns: 301, rows: 301) { function.value($0.x, $0.y) }
    let paths = traces.map { place, trace in
      let kinds = Series.Line.allCases
      let series = Series(
        trace.settings.name, trace.points.map { Point($0.x, $0.y) }, color: place,
        line: kinds[place / Series.colorCount % kinds.count])
      return ContourPlot.Path(
        series, cells: [rate(trace), end(trace), trace.lostAt == nil ? scientific(trace.distance) : "–"],
        diverges: trace.lostAt != nil)
    }
    let start = Trace.rounded(start)
    var notes = [
      "start (\(number(start.x)), \(number(start.y))), f = \(scientific(function.value(start.x, start.y)))",
      "minimum f(\(number(function.minimum.x)), \(number(function.minimum.y))) = 0",
      "dots: after \(count(steps, "step")); arrows: where a path leaves the plot",
      "contours: 1 and 3 times powers of ten",
    ]
    if isTuned {
      notes += [
        "η: of 1, 2, 5 × 10⁻⁵ … 10², the one by which", "the second half of the path is lowest on",
        "average, without rising above the start",
      ]
    }
    for group in Series.coinciding(paths.map(\.series)) where group.count > 1 {
      notes.append(group.map { paths[$0].series.label }.joined(separator: " = ") + ": one path, dashed in turns")
    }
    return ContourPlot(
      function.title, subtitle: function.formula,
      x: Axis("x", covering: [view.x.lowerBound, view.x.upperBound], isTight: true),
      y: Axis("y", covering: [view.y.lowerBound, view.y.upperBound], isTight: true), field,
      levels: field.logarithmicLevels(9), start: Point(start.x, start.y),
      minimum: Point(function.minimum.x, function.minimum.y),
      columns: ["rule", "η", "f in the end", "distance"], notes: notes, paths
    ).svg()
  }

  /// The table, a row a rule.
  package var lines: [String] {
    let titles = ["optimizer", "learning rate", "f in the end", "distance to minimum", "steps to f < 0.001"]
    let rows = traces.map { _, trace in
      [
        trace.settings.name, rate(trace), end(trace), trace.lostAt == nil ? scientific(trace.distance) : "–",
        trace.steps(below: 1e-3).map(grouped) ?? "–",
      ]
    }
    let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 0 ? cell.0 + space : space + cell.0
      }.joined(separator: "  ")
    }
    let rule = String(repeating: "─", count: widths.reduce(2 * (widths.count - 1), +))
    return [line(titles), rule] + rows.map(line)
  }

  private func rate(_ trace: Trace) -> String { number(trace.settings.learningRate) }

  private func end(_ trace: Trace) -> String {
    trace.lostAt.map { "∞ at step \(grouped($0))" } ?? scientific(trace.finalValue)
  }
}

extension Trace {
  /// A start as float32 has it.
  package static func rounded(_ start: (x: Double, y: Double)) -> (x: Double, y: Double) {
    (Double(Float(start.x)), Double(Float(start.y)))
  }
}

/// A number without a needless fraction.
private func number(_ value: Double) -> String {
  String(format: "%.6g", value).replacing("-", with: "−")
}

/// Two significant digits, with a power of ten where there would be many zeros.
private func scientific(_ value: Double) -> String {
  guard value != 0 else { return "0" }
  let text = String(format: "%.1e", value)
  let parts = text.split(separator: "e")
  guard parts.count == 2, let exponent = Int(parts[1]) else { return text }
  if (-3..<4).contains(exponent) {
    return String(format: "%.\(max(0, 1 - exponent))f", value)
  }
  let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
  let power = String("\(exponent)".map { $0 == "-" ? "⁻" : digits[$0.wholeNumberValue ?? 0] })
  return "\(parts[0])×10\(power)"
}
