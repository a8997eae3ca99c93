package import Kernels
package import Optimizers

/// A run between two steps, as a coordinator goes on from it.
package struct SavedState: Sendable {
  /// Steps done, skipped ones counted.
  package var step: Int
  /// The step after which the test part was last evaluated; nil before the first time.
  package var evaluatedStep: Int?
  /// What the optimizer has to remember besides its slots.
  package var optimizer: OptimizerState
  /// The digest of the bits that the run's workers compute; nil where it is not known.
  package var numerics: String?
  /// The parameters. Not to be changed any more.
  package let parameters: FloatBuffer
  /// The optimizer's slots, one after the other.
  package let slots: FloatBuffer

  package init(
    step: Int, evaluatedStep: Int? = nil, optimizer: OptimizerState, numerics: String? = nil, parameters: FloatBuffer,
    slots: FloatBuffer
  ) {
    self.step = step
    self.evaluatedStep = evaluatedStep
    self.optimizer = optimizer
    self.numerics = numerics
    self.parameters = parameters
    self.slots = slots
  }
}
