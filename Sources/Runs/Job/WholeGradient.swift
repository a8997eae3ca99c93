internal import Optimizers
internal import Protocol
internal import Schema

/// The options because of which no chunk of the parameters is updated before all sums have come, as a user writes them.
/// Empty if each chunk is updated, and goes to the workers, while sums of others still come.
private func causes(_ optimizer: OptimizerSettings, _ policy: NonFinitePolicy) throws -> [String] {
  try optimizer.wholeGradientCauses() + (policy == .skip ? ["--on-nonfinite \(policy.rawValue)"] : [])
}

extension JobOptions {
  /// The update rule and the schedule with their options, or the defaults.
  var chosenOptimizer: OptimizerSettings {
    get throws {
      try OptimizerSettings(
        given[OptimizerSettings.selector.name]?.description ?? "adam",
        given: givenValues(of: OptimizerSettings.options))
    }
  }

  /// What becomes of a step that is not finite, or the default.
  var chosenPolicy: NonFinitePolicy {
    given["on-nonfinite"].flatMap { NonFinitePolicy(rawValue: $0.description) } ?? .stop
  }

  /// As ``Job/wholeGradientCauses()``, without the data.
  package func wholeGradientCauses() throws -> [String] { try causes(chosenOptimizer, chosenPolicy) }
}

extension Job {
  /// The options because of which no chunk of the parameters is updated before all sums have come, as a user writes
  /// them. Empty if each chunk is updated, and goes to the workers, while sums of others still come.
  package func wholeGradientCauses() throws -> [String] { try causes(optimizer, onNonFinite) }
}
