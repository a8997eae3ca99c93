package import Reports

/// A curve of bounded length: when there are too many points, each two neighbours become one, with their mean.
package struct LossHistory: Sendable {
  private static let mostPoints = 1024

  package private(set) var points: [Point] = []
  /// Values that make a point.
  private var size = 1
  private var pending = (count: 0, sum: 0.0)

  package init() {}

  /// Adds the loss after `step`; one that is not finite is left out.
  package mutating func add(step: Int, _ loss: Double) {
    guard loss.isFinite else { return }
    pending = (pending.count + 1, pending.sum + loss)
    guard pending.count == size else { return }
    points.append(Point(Double(step), pending.sum / Double(size)))
    pending = (0, 0)
    guard points.count == LossHistory.mostPoints else { return }
    points = stride(from: 0, to: points.count, by: 2).map {
      Point(points[$0 + 1].x, (points[$0].y + points[$0 + 1].y) / 2)
    }
    size *= 2
  }
}
