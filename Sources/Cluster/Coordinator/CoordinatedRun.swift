package import Datasets
package import Models
package import Optimizers
package import Protocol
package import Schema

/// What a coordinator runs: all of a job that it needs, and what it tells workers.
package struct CoordinatedRun: Sendable {
  /// The job's options by name, for the workers.
  package var job: [String: OptionValue]
  /// Which examples belong to which step.
  package var plan: StepPlan
  /// The data's fingerprint.
  package var fingerprint: String
  /// How features are scaled.
  package var scaling: Scaling
  /// The model whose parameters are trained.
  package var model: any Model
  /// Fixes the initial parameters.
  package var seed: UInt64
  /// The update rule over the model's parameters.
  package var optimizer: Optimizer
  /// What becomes of a loss or a gradient that is not finite.
  package var onNonFinite: NonFinitePolicy
  /// What may help where something is not finite.
  package var advice: String
  /// What R² measures against; nil for classification or without a test part.
  package var targetVariation: Double?

  package init(
    job: [String: OptionValue], plan: StepPlan, fingerprint: String, scaling: Scaling, model: any Model, seed: UInt64,
    optimizer: Optimizer, onNonFinite: NonFinitePolicy, advice: String,
    targetVariation: Double? = nil
  ) {
    self.job = job
    self.plan = plan
    self.fingerprint = fingerprint
    self.scaling = scaling
    self.model = model
    self.seed = seed
    self.optimizer = optimizer
    self.onNonFinite = onNonFinite
    self.advice = advice
    self.targetVariation = targetVariation
  }
}
