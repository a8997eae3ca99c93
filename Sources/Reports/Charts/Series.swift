/// A point of a chart.
package struct Point: Equatable, Sendable {
  /// Across.
  package var x: Double
  /// Up.
  package var y: Double

  /// A point.
  package init(_ x: Double, _ y: Double) {
    (self.x, self.y) = (x, y)
  }
}

/// A curve: its points from left to right, and how it is told from others.
package struct Series: Equatable, Sendable {
  /// How a curve is drawn.
  package enum Line: Int, CaseIterable, Sendable {
    case solid, dashed, dotted

    /// The dashes as an element's style. The curve in a group of `count` equal ones shows in every `count`-th piece.
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

  /// How many colours there are.
  package static let colorCount = ChartStyle.colors.count

  /// What the legend calls it.
  package var label: String
  /// Its points. What is not finite is left out, and cuts the curve.
  package var points: [Point]
  /// Which colour of ``ChartStyle/colors``, from 0; beyond the last it starts again.
  package var color: Int
  /// How it is drawn.
  package var line: Line
  /// Whether each point has a dot.
  package var hasDots: Bool

  /// A curve.
  package init(_ label: String, _ points: [Point], color: Int, line: Line = .solid, hasDots: Bool = false) {
    self.label = label
    self.points = points
    self.color = color
    self.line = line
    self.hasDots = hasDots
  }

  /// The positions of those of `series` that have the same points, each list in order, for all lists with any points.
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
