import Foundation
import Optimizers
import Testing

@testable import Reports
@testable import Runs
@testable import Schema

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct TracePictureTests {
  private let function = TestFunction.rosenbrock

  private func figure(_ names: [String], from start: (x: Double, y: Double), rate: Double, steps: Int) throws
    -> TraceFigure
  {
    let traces = try names.map {
      try Trace(OptimizerSettings($0, given: ["learning-rate": .real(rate)]), on: function, from: start, steps: steps)
    }
    return TraceFigure(function, from: start, steps: steps, isTuned: false, traces)
  }

  /// What stands between `opening` and the next quotation mark, for each `opening`.
  private func values(_ svg: String, after opening: String) -> [String] {
    svg.components(separatedBy: opening).dropFirst().map { String($0.prefix { $0 != "\"" }) }
  }

  @Test("a picture is a well-formed document of finite numbers that loads nothing", arguments: [1e-5, 1, 1e30])
  func wellFormed(_ rate: Double) throws {
    for names in [[], ["sgd"], UpdateRules.builtIn.map { $0.name }] {
      for start in [Point(-1, 2.5), Point(1000, -1000), Point(1, 1)] {
        let svg = try figure(names, from: (start.x, start.y), rate: rate, steps: 40).svg
        let parser = XMLParser(data: Data(svg.utf8))
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(!svg.contains("nan") && !svg.contains("inf"))
        #expect(!svg.contains("https://") && !svg.contains("<script") && svg.contains("prefers-color-scheme:dark"))
      }
    }
  }

  @Test("each cell has the shade of the function's value at its middle", arguments: TestFunction.all)
  func shades(_ function: TestFunction) throws {
    let svg = TraceFigure(function, from: function.start, steps: 1, isTuned: false, []).svg
    var shades: [[Int]: Double] = [:]
    for (opacity, cells) in zip(values(svg, after: "stroke-opacity=\""), values(svg, after: "\" d=\"M")) {
      for cell in cells.split(separator: "M") {
        // "x yh6": a line of the cell's width through its middle, 6 pixels thick.
        let numbers = cell.split { " h".contains($0) }.compactMap { Int($0) }
        try #require(numbers.count == 3 && numbers[2] == 6)
        #expect(shades.updateValue(try #require(Double(opacity)), forKey: Array(numbers[..<2])) == nil)
      }
    }
    #expect(shades.count == 90 * 90)
    let width = function.x.upperBound - function.x.lowerBound
    let height = function.y.upperBound - function.y.lowerBound
    let levels = shades.keys.map { place in
      let x = function.x.lowerBound + (Double(place[0] - 64) + 3) / 540 * width
      let y = function.y.upperBound - Double(place[1] - 64) / 540 * height
      return (level: log10(function.value(x, y)) * 2, shade: shades[place] ?? .nan)
    }
    let highest = try #require(levels.map { $0.level.rounded(.down) }.max())
    for (level, shade) in levels where abs(level - level.rounded()) > 1e-9 {
      #expect(abs(shade - max(0, 9 + level.rounded(.down) - highest) / 40) < 1e-12, "\(level) of \(highest)")
    }
  }

  @Test func startAndMinimumAreMarkedAndPathsAreCutAtTheSides() throws {
    let svg = try figure(["sgd"], from: function.start, rate: 1, steps: 5).svg
    // 135 pixels are 1; the upper left corner, at 64, is (-2, 3).
    #expect(values(svg, after: "class=\"shared\" transform=\"") == ["translate(199 131.5)", "translate(469 334)"])
    let plot = try #require(
      svg.range(of: "<svg x=\"64\" y=\"64\" width=\"540\" height=\"540\" viewBox=\"64 64 540 540\">"))
    let curve = try #require(svg.range(of: "class=\"curve\""))
    let end = try #require(svg.range(of: "</svg>"))
    #expect(plot.upperBound < curve.lowerBound && curve.upperBound < end.lowerBound)
    // The first step of 1 goes along the slope, to (-597, -297.5).
    let path = try #require(values(svg, after: " d=\"M199 131.5L").first)
    let first = path.split { " L".contains($0) }.compactMap { Double($0) }
    #expect(first.allSatisfy { abs($0) < 60_000 })
    let slope = function.gradient(function.start.x, function.start.y)
    #expect(first[0] < 64 && abs((first[1] - 131.5) / (first[0] - 199) + slope.y / slope.x) < 0.01, "\(path)")
  }

  @Test func pathsThatCoincideShareTheLineAndTheDot() throws {
    let equal = try figure(["sgd", "gradient-descent", "adam"], from: function.start, rate: 1e-4, steps: 50).svg
    // Those of the ends, which have no length, come first.
    #expect(values(equal, after: "stroke-dasharray:14 14;stroke-dashoffset:") == ["0", "-14", "0", "-14"])
    #expect(equal.contains(">sgd = gradient-descent: one path</text>"))
    #expect(equal.components(separatedBy: "class=\"shared\" cx=").count == 2)
    let other = try figure(["sgd", "adam"], from: function.start, rate: 1e-4, steps: 50).svg
    #expect(!other.contains("dashoffset") && !other.contains("one path") && !other.contains("class=\"shared\" cx="))
    #expect(other.components(separatedBy: "<circle").count == 3)
  }

  @Test func theLegendHasEachPathsLineAndFigures() throws {
    let names = UpdateRules.builtIn.map { $0.name }
    let figure = try figure(names, from: function.start, rate: 1e-4, steps: 300)
    let svg = figure.svg
    for line in figure.lines[2...] {
      let cells = line.split(separator: "  ").map { $0.drop { $0 == " " } }
      for cell in cells[..<4] { #expect(svg.contains(">\(cell)</text>"), "\(line)") }
    }
    // Beyond the colours the kind of line changes.
    #expect(names.count > 2 * Series.colorCount)
    #expect(svg.contains("stroke-width:3;stroke-dasharray:7 4") && svg.contains("stroke-width:3;stroke-dasharray:2 3"))
  }
}
