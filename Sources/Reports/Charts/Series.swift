package struct Point: Equatable, Sendable {
  package var x: Double
  package var y: Double

  package init(_ x: Double, _ y: Double) {
    (self.x, self.y) = (x, y)
  }
}

/// The area between two curves over the same positions.
package struct Band: Equatable, Sendable {
  package var lower: [Point]
  package var upper: [Point]
  /// As ``Series/color``.
  package var color: Int

  package init(lower: [Point], upper: [Point], color: Int) {
    (self.lower, self.upper, self.color) = (lower, upper, color)
  }
}

/// A curve of a chart, and how it is drawn.
package struct Series: Equatable, Sendable {
  package enum Line: Int, CaseIterable, Sendable {
    case solid, dashed, dotted

    /// The dashes as CSS. Each of `count` coinciding curves is visible in every `count`-th piece.
    func style(_ position: Int = 0, of count: Int = 1) -> String {
      guard count > 1 else {
        return switch self {
        case .solid: ""
        case .dashed: ";stroke-dasharray:7 4"
        case .dotted: ";stroke-dasharray:2 3"
        }
      }
      let piece = 14
      let shown = [piece, 9, 4][rawValue]
      return ";stroke-dasharray:\(shown) \(piece * count - shown);stroke-dashoffset:\(-piece * position)"
    }
  }

  package static let colorCount = ChartStyle.colors.count

  /// The line of the curve at `index`, which tells it from the one with the same colour.
  static func line(at index: Int) -> Line { Line(rawValue: index / colorCount % Line.allCases.count) ?? .solid }

  package var label: String
  /// From left to right. A point that is not finite interrupts the curve.
  package var points: [Point]
  /// The index in ``ChartStyle/colors``, modulo their count.
  package var color: Int
  package var line: Line
  package var hasDots: Bool

  package init(_ label: String, _ points: [Point], color: Int, line: Line = .solid, hasDots: Bool = false) {
    (self.label, self.points, self.color, self.line, self.hasDots) = (label, points, color, line, hasDots)
  }

  /// The indices of `series`, grouped by equal points, in order. Series without points are left out.
  package static func coinciding(_ series: [Series]) -> [[Int]] {
    var groups: [[Int]] = []
    for index in series.indices where !series[index].points.isEmpty {
      if let group = groups.firstIndex(where: { series[$0[0]].points == series[index].points }) {
        groups[group].append(index)
      } else {
        groups.append([index])
      }
    }
    return groups
  }
}
