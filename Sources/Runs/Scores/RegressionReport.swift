/// Figures of a model that predicts numbers, in the targets' units.
package struct RegressionReport: Codable, Equatable, Sendable {
  package var examples: Int
  package var outputs: [Figures]

  /// Of one output. Without examples nothing is defined, and has no key in JSON.
  package struct Figures: Codable, Equatable, Sendable {
    /// 1 − Σ (prediction − target)² ÷ Σ (target − mean)²; nil if all targets are equal.
    package var rSquared: Double?
    package var meanAbsoluteError: Double?
    package var rootMeanSquaredError: Double?
    /// The mean of prediction − target.
    package var meanError: Double?
    /// The prediction that is furthest from its target; of several the one of the first record.
    package var largestError: LargestError?

    private enum CodingKeys: String, CodingKey {
      case rSquared = "r_squared"
      case meanAbsoluteError = "mean_absolute_error"
      case rootMeanSquaredError = "root_mean_squared_error"
      case meanError = "mean_error"
      case largestError = "largest_error"
    }
  }

  /// Of one example.
  package struct LargestError: Codable, Equatable, Sendable {
    /// The example's record, as it was given.
    package var record: Int
    /// Prediction − target.
    package var value: Double
  }
}
