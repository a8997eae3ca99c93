/// What is measured beside the gradient: named sums, and the figures that follow from them.
///
/// Sums are over examples, float64, and are added along the reduction tree, so that their bits never depend on who computed
/// what. A mean is a sum over the summed weight.
public struct MetricSchema: Sendable {
  /// The sums' names. The first is the loss. At most ``mostSums``.
  public let sums: [String]
  /// What is shown and saved, in that order.
  public let figures: [Figure]

  /// As many sums as a message holds.
  public static let mostSums = 16

  /// The loss alone.
  public static let loss = MetricSchema([])

  /// The loss, and the sums and figures that come with it.
  public init(_ sums: [String], figures: [Figure] = []) {
    precondition(
      sums.count < MetricSchema.mostSums, "\(sums.count) sums beside the loss; \(MetricSchema.mostSums - 1) fit")
    self.sums = ["loss"] + sums
    self.figures = figures
  }

  /// The same with more sums and figures, such as a model's own beside its loss'.
  public func adding(_ sums: [String], figures: [Figure]) -> MetricSchema {
    MetricSchema(Array(self.sums.dropFirst()) + sums, figures: self.figures + figures)
  }

  /// Every figure that follows from sums over examples, by name; those that are not finite are left out.
  ///
  /// - Parameters:
  ///   - weight: the summed weight.
  ///   - sums: in the order of ``sums``.
  ///   - targetVariation: ``Figure/Sums/targetVariation``.
  public func values(weight: Double, _ sums: [Double], targetVariation: Double? = nil) -> [String: Double] {
    guard weight > 0 else { return [:] }
    let all = Figure.Sums(
      weight: weight, sums: Dictionary(zip(self.sums, sums)) { first, _ in first }, targetVariation: targetVariation)
    return Dictionary(figures.compactMap { figure in figure.value(all).map { (figure.name, $0) } }) { first, _ in first
    }
    .filter { $0.value.isFinite }
  }
}

/// A figure that follows from sums over examples, such as the accuracy.
public struct Figure: Sendable {
  /// What files call it, after `train_` or `test_`.
  public let name: String
  /// What readers see.
  public let title: String
  /// Computes it; nil where it has no value.
  public let value: @Sendable (Sums) -> Double?

  /// The sums that a figure follows from.
  public struct Sums: Sendable {
    /// The summed weight, above 0.
    public let weight: Double
    private let sums: [String: Double]
    /// Σ (target − its output's mean)² over the test part; nil for classes and while training.
    public let targetVariation: Double?

    init(weight: Double, sums: [String: Double], targetVariation: Double?) {
      (self.weight, self.sums, self.targetVariation) = (weight, sums, targetVariation)
    }

    /// The sum called `name`, which the schema must have.
    public subscript(name: String) -> Double {
      guard let sum = sums[name] else { preconditionFailure("the schema has no sum '\(name)'") }
      return sum
    }
  }

  /// A figure.
  public init(_ name: String, title: String, value: @escaping @Sendable (Sums) -> Double?) {
    (self.name, self.title, self.value) = (name, title, value)
  }

  /// The mean of the sum `name`.
  public static func mean(_ name: String, of sum: String, title: String) -> Figure {
    Figure(name, title: title) { $0[sum] / $0.weight }
  }
}
