/// Sums over examples, as a model computes them for a micro-batch.
public struct Metrics: Equatable, Sendable {
  /// What the mean loss divides by, and the averaged gradient: the number of examples, of positions, or what they count.
  /// Finite and not negative.
  public var weight: Double
  /// In the order of the model's ``MetricSchema/sums``, the loss first.
  public var sums: [Double]

  /// The loss, summed over examples.
  public var loss: Double { sums[0] }

  /// Sums of a micro-batch.
  ///
  /// - Parameter others: those beside the loss, in the schema's order.
  public init(weight: Double, loss: Double, _ others: Double...) {
    self.weight = weight
    sums = [loss] + others
  }
}
