internal import Foundation

/// The losses of a learning-rate range test: a run whose learning rate grows by equal factors from step to step (L. N. Smith,
/// "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3, there on a line).
package struct RateTest: Sendable {
  package struct Step: Equatable, Sendable {
    package var rate: Double
    /// The step's mean loss before its update; may be infinite or not a number.
    package var loss: Double

    package init(rate: Double, loss: Double) { (self.rate, self.loss) = (rate, loss) }
  }

  /// Why there is no suggestion.
  package enum Flaw: Equatable, Sendable {
    /// The smoothed loss has never been smaller than at the start.
    case neverFell
    /// It was smallest at the last step of a test that has not diverged.
    case stillFalling
  }

  /// How much of the average of the steps before goes into the smoothed loss.
  static let smoothing = 0.9
  /// A smoothed loss of so many times the smallest ends the test.
  static let limit = 4.0

  /// Up to the one with which the test ends, without it.
  package let steps: [Step]
  /// For each of ``steps``: the exponential moving average of the losses, divided by the sum of its weights (D. P. Kingma &
  /// J. Ba, "Adam", ICLR 2015, section 3).
  package let smoothed: [Double]
  /// Whether a loss was not finite or far above the smallest.
  package let hasDiverged: Bool

  /// - Parameters:
  ///   - all: in the order of the run; ascending rates.
  ///   - ended: whether the run ended before its last step because a value was not finite.
  package init(_ all: [Step], hasEnded ended: Bool) {
    var steps: [Step] = []
    var smoothed: [Double] = []
    var (average, share, least) = (0.0, 1.0, Double.infinity)
    var hasDiverged = ended
    for step in all {
      average = RateTest.smoothing * average + (1 - RateTest.smoothing) * step.loss
      share *= RateTest.smoothing
      let value = average / (1 - share)
      // Of losses that may be negative, no multiple of the smallest is far above it.
      guard value.isFinite, least <= 0 || value <= RateTest.limit * least else {
        hasDiverged = true
        break
      }
      least = min(least, value)
      steps.append(step)
      smoothed.append(value)
    }
    (self.steps, self.smoothed, self.hasDiverged) = (steps, smoothed, hasDiverged)
  }

  /// The step with the smallest smoothed loss.
  private var lowest: Int? { smoothed.indices.min { smoothed[$0] < smoothed[$1] } }

  /// The rate at which the smoothed loss is smallest; nil without steps.
  package var leastLossRate: Double? { lowest.map { steps[$0].rate } }

  /// The rate at which the smoothed loss falls most from one step to the next; nil if it never falls.
  package var steepestRate: Double? {
    let falls = smoothed.indices.dropFirst().map { (index: $0, fall: smoothed[$0 - 1] - smoothed[$0]) }
    guard let steepest = falls.max(by: { $0.fall < $1.fall }), steepest.fall > 0 else { return nil }
    return steps[steepest.index].rate
  }

  /// A tenth of ``leastLossRate``, which is near the rate at which the loss no longer falls. Two significant digits.
  package var suggestion: Result<Double, Flaw> {
    guard let lowest, lowest > 0 else { return .failure(.neverFell) }
    guard hasDiverged || lowest < steps.count - 1 else { return .failure(.stillFalling) }
    return .success(RateTest.rounded(steps[lowest].rate / 10))
  }

  private static func rounded(_ rate: Double) -> Double { Double(String(format: "%.1e", rate)) ?? rate }
}

extension RateTest.Flaw: Error {}
