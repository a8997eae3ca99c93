package import Datasets
package import Kernels
package import Models
package import Optimizers
package import Protocol
package import Schema

/// The parts of a job that a coordinator needs, and what it sends to workers.
package struct CoordinatedRun: Sendable {
  /// The job's options by name, for WELCOME.
  package var job: [String: OptionValue]
  package var plan: StepPlan
  package var fingerprint: String
  package var scaling: Scaling
  /// How the records of a table become numbers; nil for other data.
  package var recipe: DataRecipe?
  package var model: any Model
  package var seed: UInt64
  /// The initial parameters; nil for those that the seed determines.
  package var initial: FloatBuffer?
  /// What this process computes of it.
  package var numerics: Numerics
  package var optimizer: Optimizer
  package var onNonFinite: NonFinitePolicy
  package var precision: Precision
  /// Ends error messages about values that are not finite.
  package var advice: String
  /// The denominator of R² for each held-out part; empty for classification.
  package var targetVariation: [HeldOutPart: Double]

  package init(
    job: [String: OptionValue], plan: StepPlan, fingerprint: String, scaling: Scaling,
    recipe: DataRecipe? = nil, model: any Model, seed: UInt64,
    initial: FloatBuffer? = nil, numerics: Numerics, optimizer: Optimizer, onNonFinite: NonFinitePolicy,
    precision: Precision = .float32, advice: String,
    targetVariation: [HeldOutPart: Double] = [:]
  ) {
    (self.job, self.plan, self.fingerprint, self.scaling, self.model) = (job, plan, fingerprint, scaling, model)
    self.recipe = recipe
    (self.seed, self.numerics, self.optimizer, self.onNonFinite) = (seed, numerics, optimizer, onNonFinite)
    (self.initial, self.precision) = (initial, precision)
    (self.advice, self.targetVariation) = (advice, targetVariation)
  }
}
