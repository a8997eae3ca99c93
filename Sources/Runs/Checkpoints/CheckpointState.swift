package import Optimizers
package import Schema

/// `state.json`: what a checkpoint holds besides vectors.
package struct CheckpointState: Codable, Sendable {
  /// The format that this program writes and reads.
  static let presentFormat = 2

  var format = presentFormat
  package var job: Job
  package var fingerprint: String
  /// Steps done, including skipped ones.
  package var step: Int
  /// The last step after which the test part was evaluated; nil if it never was.
  package var evaluatedStep: Int?
  /// The same of the validation part.
  package var validatedStep: Int?
  package var optimizer: OptimizerState
  /// ``Numerics/digest`` of the coordinator; nil in old checkpoints.
  package var numerics: String?
  package var statistics: RunStatistics
  /// As in the run's summary.
  package var parametersSHA256: String
  package var isFinite: Bool

  enum CodingKeys: String, CodingKey {
    case format, job, fingerprint, step, optimizer, numerics, statistics
    case evaluatedStep = "evaluated_step"
    case validatedStep = "validated_step"
    case parametersSHA256 = "parameters_sha256"
    case isFinite = "is_finite"
  }

  /// The number of steps after which each part was last evaluated.
  package var evaluatedSteps: [HeldOutPart: Int] {
    [HeldOutPart.validation: validatedStep, .test: evaluatedStep].compactMapValues(\.self)
  }

  /// A number out of its range; nil if there is none.
  var contradiction: String? {
    let steps = 0...1 << 48
    if !steps.contains(step) { return "the step is \(step)" }
    for (name, evaluated) in [("evaluated", evaluatedStep), ("validated", validatedStep)] {
      if let evaluated, !(0...step).contains(evaluated) { return "the \(name) step is \(evaluated)" }
    }
    if !(0...step).contains(optimizer.updates) { return "the updates are \(optimizer.updates)" }
    if !steps.contains(optimizer.plateau.bad) { return "the evaluations since the best are \(optimizer.plateau.bad)" }
    return statistics.contradiction
  }
}
