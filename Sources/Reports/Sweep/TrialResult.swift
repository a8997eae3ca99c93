package import Runs

/// What a trial has given.
package struct TrialResult: Codable, Sendable {
  package enum Outcome: String, Codable, Sendable {
    case completed
    /// A loss, a gradient or a parameter became infinite or not a number.
    case diverged
    case failed
  }

  /// An evaluation of the validation part; without one, the mean loss of the training since the last epoch began.
  package struct Evaluation: Codable, Equatable, Sendable {
    package var step: Int
    /// Trained by then, including repetitions.
    package var examples: Int
    /// Of steps, without evaluations.
    package var seconds: Double
    /// Nil if it is not finite.
    package var loss: Double?

    package init(step: Int, examples: Int, seconds: Double, loss: Double?) {
      (self.step, self.examples, self.seconds, self.loss) = (step, examples, seconds, loss)
    }
  }

  package var trial: Trial
  package var outcome: Outcome
  /// Why it has diverged or failed.
  package var error: String?
  package var summary: RunSummary
  package var evaluations: [Evaluation]

  package init(_ trial: Trial, _ outcome: Outcome, error: String?, summary: RunSummary, evaluations: [Evaluation]) {
    (self.trial, self.outcome, self.error) = (trial, outcome, error)
    (self.summary, self.evaluations) = (summary, evaluations)
  }

  /// The validation loss at the end, or without a validation part the mean training loss of the last epoch; infinite if it is
  /// not finite, or the trial has not ended.
  package var loss: Double {
    guard outcome == .completed, let loss = summary.validationLoss ?? summary.trainLoss, loss.isFinite else {
      return .infinity
    }
    return loss
  }

  /// The first evaluation with a loss of at most `target`; nil if there is none.
  package func evaluation(reaching target: Double) -> Evaluation? {
    evaluations.first { $0.loss.map { $0 <= target } ?? false }
  }
}
