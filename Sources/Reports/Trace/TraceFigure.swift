internal import Foundation
internal import Optimizers

/// The paths of update rules as a picture and as a table, sorted by the function's value at the end.
package struct TraceFigure {
  private let function: TestFunction
  private let start: (x: Double, y: Double)
  private let titles = ["optimizer", "learning rate", "f in the end", "distance to minimum", "steps to f < 0.001"]
  private let rows: [[String]]
  /// The paths. Colours follow the order in which the rules were named.
  private let series: [Series]
  private let notes: [String]
  /// The ranges that are shown, widened to contain the start.
  package let x, y: Axis

  package init(
    _ function: TestFunction, from start: (x: Double, y: Double), steps: Int, isTuned: Bool, _ traces: [Trace]
  ) {
    (self.function, self.start) = (function, start)
    x = Axis("x", covering: [function.x.lowerBound, function.x.upperBound, 1.05 * start.x], isTight: true)
    y = Axis("y", covering: [function.y.lowerBound, function.y.upperBound, 1.05 * start.y], isTight: true)
    let sorted = traces.enumerated().sorted { ($0.element.finalValue, $0.offset) < ($1.element.finalValue, $1.offset) }
    rows = sorted.map { _, trace in
      let end = trace.lostAt.map { "∞ at step \(grouped($0))" } ?? scientific(trace.finalValue)
      let distance = trace.lostAt == nil ? scientific(trace.distance) : "–"
      let steps = trace.values.firstIndex { $0 < 1e-3 }.map(grouped) ?? "–"
      return [trace.settings.name, number(trace.settings.learningRate), end, distance, steps]
    }
    let kinds = Series.Line.allCases
    series = sorted.map { place, trace in
      let label = shortened(trace.settings.name, to: 18) + (trace.lostAt == nil ? "" : " → ∞")
      return Series(label, trace.points, color: place, line: kinds[place / Series.colorCount % kinds.count])
    }
    notes = [
      "□ start (\(number(start.x)), \(number(start.y))), f = \(scientific(function.value(start.x, start.y)))",
      "☆ minimum, f = 0", "● after \(count(steps, "step"))", "shades: f on a logarithmic scale, two per power of ten",
      "learning rates: " + (isTuned ? "the best of 1, 2 and 5 times 10⁻⁵ … 10²" : "as given"),
    ]
  }

  /// The table, one row per rule.
  package var lines: [String] { table([titles] + rows, numbers: Set(1..<titles.count), titles: 1) }

  /// An SVG document, in the reader's light or dark scheme, of the paths, the function and a legend.
  package var svg: String {
    let (legend, height) = legend
    let page: [Markup] = [
      .element("style", [:], [Markup(source: ChartStyle.styleSheet + ".title{font-size:17px}svg{max-width:1124px}")]),
      .element("rect", ["width": "100%", "height": "100%", "fill": "#fff", "style": "fill:var(--chart-paper)"]),
      text(function.title, 64, 28, class: "title"), text(function.formula, 64, 50, class: "dim"),
    ]
    let document = drawing(function.title, width: 1124, height: max(654, height), page + plot + legend)
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\(document)\n"
  }

  private var plot: [Markup] {
    let frame = Frame(left: 64, top: 64, right: 604, bottom: 604, x: x, y: y)
    func mark(_ outline: String, _ point: (x: Double, y: Double)) -> Markup {
      let place = frame.place(Point(point.x, point.y)) ?? Point(0, 0)
      let shift = "translate(\(coordinate(place.x)) \(coordinate(place.y)))"
      return .element("path", ["class": "shared", "transform": shift, "d": outline])
    }
    let ends = series.map { Series($0.label, Array($0.points.suffix(1)), color: $0.color) }
    // The path that is drawn last is on top.
    let curves = LineChart(function.title, x: x, y: y, (ends + series).reversed()).curves(frame)
    let marks = [mark("m-4.5-4.5h9v9h-9z", start), mark("m0-9 2 6h7l-5 4 2 7-6-4-6 4 2-7-5-4h7z", function.minimum)]
    let inside = Markup.element(
      "svg", ["x": "64", "y": "64", "width": "540", "height": "540", "viewBox": "64 64 540 540"], curves)
    return [shading] + frame.grid() + [inside] + frame.axes() + marks
  }

  /// One row per path, lines that explain the plot, and the height of both.
  private var legend: ([Markup], height: Double) {
    let names = Legend(series.map { .curve($0) }, width: 0)
    let cells = ([titles] + rows).enumerated().flatMap { row, cells in
      zip(cells[1..<4], [850.0, 950, 1100]).map { text($0, $1, 77 + Legend.rowHeight * Double(row), anchor: "end") }
    }
    let groups = Series.coinciding(series).filter { $0.count > 1 }
    let equal = groups.map { shortened($0.map { rows[$0][0] }.joined(separator: " = "), to: 50) + ": one path" }
    let lines = (notes + equal).enumerated().map { text($1, 632, 110 + names.height + 20 * Double($0), class: "dim") }
    return ([names.drawing(x: 632, y: 82)] + cells + lines, 110 + names.height + 20 * Double(lines.count))
  }

  /// The function in 90 × 90 cells and at most ten shades. Each shade is half a power of ten.
  private var shading: Markup {
    func middle(_ cell: Int, _ axis: Axis) -> Double {
      axis.domain.lowerBound + (Double(cell) + 0.5) / 90 * (axis.domain.upperBound - axis.domain.lowerBound)
    }
    let levels = (0..<8100).map { (2 * log10(function.value(middle($0 % 90, x), middle($0 / 90, y)))).rounded(.down) }
    let highest = levels.max() ?? 0
    let shades = Dictionary(grouping: levels.indices) { Int(max(0, 9 + levels[$0] - highest)) }
    let paths = shades.sorted { $0.key < $1.key }.map { shade, cells in
      let outline = cells.map { "M\(64 + $0 % 90 * 6) \(601 - $0 / 90 * 6)h6" }.joined()
      return Markup.element("path", ["stroke-opacity": "\(Double(shade) / 40)", "d": outline])
    }
    let style = "stroke:var(--chart-ink);stroke-width:6;shape-rendering:crispEdges"
    return .element("g", ["stroke": "#000", "style": style], paths)
  }
}

/// At most six significant digits.
private func number(_ value: Double) -> String { String(format: "%.6g", value).replacing("-", with: "−") }

/// Two significant digits, with a power of ten if there would be many zeros.
private func scientific(_ value: Double) -> String {
  let parts = String(format: "%.1e", value).split(separator: "e")
  guard value != 0, let exponent = Int(parts[1]) else { return "0" }
  if (-3..<4).contains(exponent) { return String(format: "%.\(max(0, 1 - exponent))f", value) }
  return "\(parts[0])×10\(Axis.superscript(exponent))"
}
