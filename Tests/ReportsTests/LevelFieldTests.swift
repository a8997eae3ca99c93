import Foundation
import Testing

@testable import Reports

@Suite struct LevelFieldTests {
  private func square(_ function: (Point) -> Double) -> LevelField {
    LevelField(x: -2...2, y: -2...2, columns: 81, rows: 81, function)
  }

  @Test("the level curve of x² + y² is a closed circle of its root", arguments: [0.25, 1, 2, 3.9])
  func circle(_ level: Double) throws {
    let curves = square { $0.x * $0.x + $0.y * $0.y }.curves(at: level)
    try #require(curves.count == 1)
    #expect(curves[0].first == curves[0].last && curves[0].count > 40)
    // The error of a straight line across a cell: at most its side squared over 8, times the curvature.
    for point in curves[0] { #expect(abs(hypot(point.x, point.y) - level.squareRoot()) < 0.002, "\(point)") }
    let length = zip(curves[0], curves[0].dropFirst()).reduce(0) { $0 + hypot($1.0.x - $1.1.x, $1.0.y - $1.1.y) }
    #expect(abs(length - 2 * .pi * level.squareRoot()) < 0.02)
  }

  @Test func aCurveThatLeavesTheRectangleIsOpenAndEndsOnItsSides() {
    let curves = square { $0.x * $0.x + $0.y * $0.y }.curves(at: 5)
    #expect(curves.count == 4)
    for curve in curves {
      for end in [curve.first!, curve.last!] { #expect(max(abs(end.x), abs(end.y)) == 2) }
    }
    #expect(square { $0.x }.curves(at: 0.51).map { $0.map(\.x).allSatisfy { abs($0 - 0.51) < 1e-12 } } == [true])
    #expect(square { $0.x }.curves(at: 7).isEmpty && square { _ in .nan }.curves(at: 0).isEmpty)
  }

  @Test("a saddle's curves stay apart, on the side that its centre says", arguments: [-1.0, 1])
  func saddle(_ sign: Double) {
    // One cell whose four sides are all crossed; its centre is sign / 4.
    let field = LevelField(x: 0...1, y: 0...1, columns: 2, rows: 2) { point in
      (point.x == point.y ? 1 : -1) + sign * 0.5
    }
    let curves = field.curves(at: 0)
    #expect(curves.count == 2)
    // The corners unlike the centre are cut off: a quarter of a side from them, not three quarters from the others.
    for curve in curves {
      #expect(abs(hypot(curve[0].x - curve[1].x, curve[0].y - curve[1].y) - 0.25 * 2.0.squareRoot()) < 1e-12)
    }
  }

  @Test("the region below a level has its area, the rectangle's sides included", arguments: [1.0, 3, 20])
  func area(_ level: Double) {
    let curves = square { $0.x * $0.x + 4 * $0.y }.region(below: level)
    #expect(curves.allSatisfy { $0.first == $0.last })
    let area = curves.reduce(0) { sum, curve in
      sum + abs(zip(curve, curve.dropFirst()).reduce(0) { $0 + $1.0.x * $1.1.y - $1.1.x * $1.0.y }) / 2
    }
    // y < (level - x²) / 4 within ±2, summed finely.
    let exact = (0..<40000).reduce(0.0) { sum, index in
      let x = -2 + (Double(index) + 0.5) * 1e-4
      return sum + (min(max((level - x * x) / 4, -2), 2) + 2) * 1e-4
    }
    #expect(abs(area - exact) < 0.005 * exact, "\(area) \(exact)")
  }

  @Test func levelsAreOneAndThreeTimesPowersOfTenBelowTheLargestSample() {
    let levels = square { $0.x * $0.x + $0.y * $0.y }.logarithmicLevels(5)
    #expect(levels.count == 5)
    for (level, expected) in zip(levels, [0.03, 0.1, 0.3, 1, 3]) { #expect(abs(level - expected) < 1e-12) }
    #expect(square { $0.x * 0 - 1 }.logarithmicLevels(5).isEmpty)
    #expect(square { _ in .infinity }.logarithmicLevels(5).isEmpty)
  }

  @Test func holesInTheDataLeaveHolesInTheCurves() {
    let curves = square { $0.x > 0.5 ? .nan : $0.y }.curves(at: 0.01)
    #expect(curves.count == 1 && curves[0].allSatisfy { $0.x < 0.6 })
    #expect(!square { $0.x > 0.5 ? .infinity : $0.y }.region(below: 0.01).isEmpty)
  }
}
