/// What a model measures: named sums over examples, and the figures computed from them.
///
/// Sums are float64 and are added along the reduction tree, so their bits do not depend on which worker computed them.
public struct MetricSchema: Sendable {
  /// The sums' names, at most ``mostSums``. The first is the loss.
  public let sums: [String]
  /// In the order in which they are shown and saved.
  public let figures: [Figure]
  /// What each sum is multiplied by to be in the units of the data; empty if all are.
  public var units: [Double] = [] {
    didSet { precondition(units.isEmpty || units.count == sums.count, "\(units.count) units for \(sums.count) sums") }
  }

  /// The number of sums that fit in a message.
  public static let mostSums = 16

  /// The loss alone.
  public static let loss = MetricSchema([])

  /// The loss followed by `sums`, at most ``mostSums`` − 1 of them.
  public init(_ sums: [String], figures: [Figure] = []) {
    precondition(
      sums.count < MetricSchema.mostSums, "\(sums.count) sums beside the loss; \(MetricSchema.mostSums - 1) fit")
    self.sums = ["loss"] + sums
    self.figures = figures
  }

  /// This schema with more sums and figures, for a model that measures more than its loss does.
  public func adding(_ sums: [String], figures: [Figure]) -> MetricSchema {
    var schema = MetricSchema(Array(self.sums.dropFirst()) + sums, figures: self.figures + figures)
    if !units.isEmpty { schema.units = units + sums.map { _ in 1 } }
    return schema
  }

  /// `sums` in the units of the data.
  package func inUnits(_ sums: [Double]) -> [Double] {
    units.isEmpty ? sums : zip(sums, units).map { $0 * $1 }
  }

  /// The figures' values by name, without those that are not finite or have no value. Empty if `weight` is 0.
  ///
  /// - Parameters:
  ///   - weight: the summed weight.
  ///   - sums: in the order of ``sums``, in the units of the data.
  ///   - targetVariation: ``Figure/Sums/targetVariation``.
  public func values(weight: Double, _ sums: [Double], targetVariation: Double? = nil) -> [String: Double] {
    guard weight > 0 else { return [:] }
    let all = Figure.Sums(weight: weight, names: self.sums, sums: sums, targetVariation: targetVariation)
    var values: [String: Double] = [:]
    for figure in figures where values[figure.name] == nil {
      if let value = figure.value(all), value.isFinite { values[figure.name] = value }
    }
    return values
  }
}

/// A figure computed from sums over examples, such as the accuracy.
public struct Figure: Sendable {
  /// Its key in files, where it follows `train_`, `validation_` or `test_`.
  public let name: String
  /// Its title in tables and charts.
  public let title: String
  /// Computes the figure; nil if it has no value.
  public let value: @Sendable (Sums) -> Double?

  /// The sums that a figure is computed from.
  public struct Sums: Sendable {
    /// The summed weight, above 0.
    public let weight: Double
    private let names: [String]
    private let sums: [Double]
    /// Σ (target − the mean of that output's targets)² over the evaluated part; nil for classes and during training.
    public let targetVariation: Double?

    init(weight: Double, names: [String], sums: [Double], targetVariation: Double?) {
      (self.weight, self.names, self.sums, self.targetVariation) = (weight, names, sums, targetVariation)
    }

    /// The sum called `name`, which the schema must have.
    public subscript(name: String) -> Double {
      // There are at most ``MetricSchema/mostSums``.
      guard let index = names.firstIndex(of: name) else { preconditionFailure("the schema has no sum '\(name)'") }
      return sums[index]
    }
  }

  /// The properties describe the parameters.
  public init(_ name: String, title: String, value: @escaping @Sendable (Sums) -> Double?) {
    (self.name, self.title, self.value) = (name, title, value)
  }

  /// The sum called `sum`, divided by the summed weight.
  public static func mean(_ name: String, of sum: String, title: String) -> Figure {
    Figure(name, title: title) { $0[sum] / $0.weight }
  }
}
