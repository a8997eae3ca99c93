/// The sums over examples that a model computes for a micro-batch.
public struct Metrics: Equatable, Sendable {
  /// The divisor of the mean loss and the averaged gradient: the number of examples or positions, or their total
  /// weight. Finite, at least 0.
  public var weight: Double
  /// In the order of the model's ``MetricSchema/sums``, the loss first.
  public var sums: [Double]

  /// The loss, summed over examples.
  public var loss: Double { sums[0] }

  /// - Parameter others: the sums after the loss, in the schema's order.
  public init(weight: Double, loss: Double, _ others: Double...) {
    self.weight = weight
    sums = [loss] + others
  }

  /// The sums over the examples of both.
  package static func + (left: Metrics, right: Metrics) -> Metrics {
    var sum = left
    sum.weight += right.weight
    for index in sum.sums.indices { sum.sums[index] += right.sums[index] }
    return sum
  }
}
