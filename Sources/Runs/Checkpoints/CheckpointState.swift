package import Optimizers

/// What a checkpoint says about a run besides its vectors; `state.json`.
package struct CheckpointState: Codable, Sendable {
  /// The format that this code writes.
  static let presentFormat = 2

  /// The format of the checkpoint.
  var format = presentFormat
  /// The job.
  package var job: Job
  /// The data's fingerprint.
  package var fingerprint: String
  /// Steps done, skipped ones counted.
  package var step: Int
  /// The step after which the test part was last evaluated; nil before the first time.
  package var evaluatedStep: Int?
  /// What the optimizer has to remember besides its slots.
  package var optimizer: OptimizerState
  /// The digest of the bits that the run's workers compute; nil in checkpoints of before it was known.
  package var numerics: String?
  /// The figures so far.
  package var statistics: RunStatistics
  /// SHA-256 of the parameter vector, as in the run's summary.
  package var parametersSHA256: String
  /// Whether parameters and slots are all finite.
  package var isFinite: Bool

  enum CodingKeys: String, CodingKey {
    case format, job, fingerprint, step, optimizer, numerics, statistics
    case evaluatedStep = "evaluated_step"
    case parametersSHA256 = "parameters_sha256"
    case isFinite = "is_finite"
  }

  /// What of it cannot be; nil where all numbers are within their ranges.
  var contradiction: String? {
    let steps = 0...1 << 48
    if !steps.contains(step) { return "the step is \(step)" }
    if let evaluatedStep, !(0...step).contains(evaluatedStep) { return "the evaluated step is \(evaluatedStep)" }
    if !(0...step).contains(optimizer.updates) { return "the updates are \(optimizer.updates)" }
    if !steps.contains(optimizer.plateau.bad) { return "the evaluations since the best are \(optimizer.plateau.bad)" }
    return statistics.contradiction
  }
}
