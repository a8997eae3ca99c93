import Foundation
import Testing

@testable import Reports

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ContourPlotTests {
  private func plot(_ paths: [ContourPlot.Path]) -> ContourPlot {
    let field = LevelField(x: -2...2, y: -2...2, columns: 41, rows: 41) { $0.x * $0.x + $0.y * $0.y }
    return ContourPlot(
      "<t>", subtitle: "&", x: Axis("x", covering: [-2, 2], isTight: true),
      y: Axis("y", covering: [-2, 2], isTight: true),
      field, levels: [1, 3], start: Point(-1, 1), minimum: Point(0, 0), columns: ["rule", "\""], notes: ["a", "<"],
      paths)
  }

  private func path(_ points: [Point], color: Int = 0, diverges: Bool = false) -> ContourPlot.Path {
    ContourPlot.Path(Series("p\(color)", points, color: color), cells: ["&"], diverges: diverges)
  }

  /// The coordinates of the plotted curves' ends.
  private func curves(_ svg: String) -> [String] {
    svg.components(separatedBy: "class=\"curve\" d=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
  }

  @Test("a plot is a well-formed document of finite numbers, whatever the paths", arguments: DrawingTests.data)
  func wellFormed(_ points: [Point]) {
    for count in [0, 1, 30] {
      for diverges in [false, true] {
        let svg = plot((0..<count).map { path(points, color: $0, diverges: diverges) }).svg()
        let parser = XMLParser(data: Data(svg.utf8))
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(!svg.contains("nan") && !svg.contains("inf"))
        #expect(!svg.contains("https://") && !svg.contains("<script") && svg.contains("prefers-color-scheme:dark"))
      }
    }
  }

  @Test func pathsAreCutAtTheSides() throws {
    // Out to the right, past a corner, back in at the top, and a piece that never comes near.
    let points = [Point(0, 0), Point(5, 0), Point(0, 5), Point(0, 0), Point(0, -1e30), Point(-1e9, -1e30)]
    let svg = plot([path(points)]).svg(side: 400)
    let curve = try #require(curves(svg).first)
    let numbers = curve.split { "ML ".contains($0) }.compactMap { Double($0) }
    let (xs, ys) = (
      stride(from: 0, to: numbers.count, by: 2).map { numbers[$0] },
      stride(from: 1, to: numbers.count, by: 2).map { numbers[$0] }
    )
    #expect(xs.max()! - xs.min()! <= 200.01 && ys.max()! - ys.min()! <= 400.01)
    #expect(ys.max()! - ys.min()! > 399 && xs.max()! - xs.min()! > 199)
    #expect(!svg.contains("class=\"end\" cx="))
    #expect(plot([path([Point(0, 0), Point(1, 1)])]).svg().contains("class=\"end\" cx="))
  }

  @Test func aPathToInfinityIsNamed() {
    let points = [Point(-1, 1), Point(3, 3), Point(1e8, 1e9)]
    #expect(plot([path(points, diverges: true)]).svg().contains(">p0 → ∞</text>"))
    #expect(!plot([path(points)]).svg().contains("∞"))
  }

  @Test func equalPathsShareTheLineInTurns() {
    let points = [Point(-1, 1), Point(1, 1)]
    let svg = plot([path(points, color: 0), path(points, color: 1)]).svg()
    #expect(svg.contains("stroke-dasharray:14 14;stroke-dashoffset:0\"") && svg.contains("stroke-dashoffset:-14\""))
  }
}
