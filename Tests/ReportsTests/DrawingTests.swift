import Foundation
import Testing

@testable import Reports

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct DrawingTests {
  private static let hostile = "<b>&\"'\u{0}\u{1B}[31m\u{FFFF} ümläut 🙂 " + String(repeating: "long ", count: 40)

  static let data: [[Point]] = [
    [], [Point(1, 2)], [Point(1, 2), Point(2, 2)], [Point(0, 0), Point(1, .nan), Point(2, 1), Point(.infinity, 1)],
    (0..<300).map { Point(Double($0), exp(-Double($0) / 50)) }, [Point(1e300, -1e300), Point(-1e300, 1e300)],
    (1...5).map { Point(Double($0), .infinity) },
  ]

  private func chart(_ series: [Series], y: Axis.Kind = .automatic) -> LineChart {
    LineChart(
      DrawingTests.hostile, x: Axis(DrawingTests.hostile, covering: series.flatMap { $0.points.map(\.x) }),
      y: Axis("y", covering: series.flatMap { $0.points.map(\.y) }, kind: y), series, guides: series)
  }

  @Test("drawings are well-formed and hold finite numbers, whatever the data", arguments: data)
  func wellFormed(_ points: [Point]) throws {
    for hasDots in [false, true] {
      for copies in [0, 1, 2, 30] {
        let series = (0..<copies).map { Series("\(DrawingTests.hostile) \($0)", points, color: $0, hasDots: hasDots) }
        let svg = chart(series).svg().description
        try parse(svg)
        #expect(!svg.contains("nan") && !svg.contains("inf"))
      }
    }
  }

  @Test(
    "bars are well-formed, whatever the data",
    arguments: [[], [0], [1, 2, 3], [.nan, -1, .infinity], [1e-300, 1e300]])
  func bars(_ parts: [Double]) throws {
    for count in [0, 1, 20] {
      let bars = (0..<count).map { _ in StackedBarChart.Bar(DrawingTests.hostile, parts, total: DrawingTests.hostile) }
      let svg = StackedBarChart(DrawingTests.hostile, axis: "&", parts: ["<", ">", "\""], bars).svg().description
      try parse(svg)
      #expect(!svg.contains("nan") && !svg.contains("inf"))
    }
  }

  @Test func textIsEscaped() {
    #expect(
      Markup.element("a", ["b": "\"<&>\"", "c": nil], "<&\u{0}>").description
        == "<a b=\"&quot;&lt;&amp;&gt;&quot;\">&lt;&amp;\u{FFFD}&gt;</a>")
  }

  @Test func equalCurvesShareTheLineInTurns() {
    let points = [Point(0, 0), Point(1, 1)]
    let equal = chart([Series("a", points, color: 0), Series("b", points, color: 1)]).svg().description
    #expect(equal.contains("stroke-dasharray:14 14;stroke-dashoffset:0\""))
    #expect(equal.contains("stroke-dasharray:14 14;stroke-dashoffset:-14\""))
    let other = chart([Series("a", points, color: 0), Series("b", [Point(0, 0), Point(1, 2)], color: 1)]).svg()
    #expect(!other.description.contains("dashoffset"))
  }

  @Test func pointsWithinAQuarterOfAPixelAreLeftOut() {
    let points = (0..<100_000).map { Point(Double($0), Double($0 / 50_000)) }
    let svg = chart([Series("", points, color: 0)], y: .linear).svg().description
    let path = svg.components(separatedBy: "class=\"curve\"").last?.components(separatedBy: "</path>").first ?? ""
    // 560 pixels at most, and the step up in the middle.
    #expect(path.count { $0 == "L" } <= 4 * 560 + 1)
    #expect(path.count { $0 == "L" } > 4 * 400, "\(path.count { $0 == "L" })")
  }

  @Test func aFarPointKeepsItsDirection() throws {
    let axis = Axis("", covering: [0, 1])
    let frame = Frame(left: 10, top: 10, right: 110, bottom: 110, x: axis, y: axis)
    #expect(frame.place(Point(0.5, 2)) == Point(60, -90) && frame.place(Point(-100, 100)) == Point(-9990, -9890))
    for (x, y) in [(1e9, 5e8), (-2e300, 1e300), (400, -200)] {
      let place = try #require(frame.place(Point(x, y)))
      #expect(abs(place.x) < 10_200 && abs(place.y) < 10_200)
      #expect(abs((place.y - 110) / (place.x - 10) + y / x) < 1e-9)
    }
  }

  @Test func coincidingCurvesAreFoundInOrder() {
    let (one, other) = ([Point(0, 0)], [Point(0, 1)])
    let series = [one, other, one, [], []].map { Series("", $0, color: 0) }
    #expect(Series.coinciding(series) == [[0, 2], [1]])
  }

  @Test("a plot in a terminal keeps to its width and shows every curve's letter", arguments: data)
  func terminal(_ points: [Point]) {
    for copies in [0, 1, 3, 60] {
      let series = (0..<copies).map { Series("run \($0)", points, color: $0) }
      let chart = chart(series)
      for width in [10, 40, 80, 300] {
        let lines = TerminalPlot("t", x: chart.xAxis, y: chart.yAxis, series).lines(width: width, hasColor: false)
        #expect(lines.allSatisfy { $0.count <= max(width, 40) }, "\(lines)")
        #expect(!lines.contains { $0.contains("\u{1B}") })
      }
    }
  }

  @Test func lettersOfEqualCurvesTakeTurnsInATerminal() {
    let points = (0...50).map { Point(Double($0), Double($0)) }
    let series = ["first", "second"].enumerated().map { Series($1, points, color: $0) }
    let x = Axis("x", covering: [0, 50]), y = Axis("y", covering: [0, 50])
    let lines = TerminalPlot("t", x: x, y: y, series).lines(width: 60, rows: 10, hasColor: false)
    let curves = lines[1...10].joined()
    #expect(curves.contains("a") && curves.contains("b"))
    #expect(lines.contains("  a first   b second") && lines.last == "  a = b: exactly on each other")
    let colored = TerminalPlot("t", x: x, y: y, series).lines(width: 60, rows: 10, hasColor: true).joined()
    #expect(colored.contains("\u{1B}[38;5;"))
  }
}

/// Throws where `text` is no XML.
private func parse(_ text: String) throws {
  let parser = XMLParser(data: Data(text.utf8))
  guard parser.parse() else { throw parser.parserError ?? CocoaError(.coderReadCorrupt) }
}
