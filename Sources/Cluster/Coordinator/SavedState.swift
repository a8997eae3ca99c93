package import Kernels
package import Optimizers

/// The state of a run between two steps, from which a coordinator can resume.
package struct SavedState: Sendable {
  /// Steps done, including skipped ones.
  package var step: Int
  /// The last step after which the test part was evaluated; nil if it never was.
  package var evaluatedStep: Int?
  package var optimizer: OptimizerState
  /// Must not change any more.
  package let parameters: FloatBuffer
  /// The optimizer's slots, one after the other.
  package let slots: FloatBuffer

  package init(
    step: Int, evaluatedStep: Int? = nil, optimizer: OptimizerState, parameters: FloatBuffer,
    slots: FloatBuffer
  ) {
    (self.step, self.evaluatedStep, self.optimizer) = (step, evaluatedStep, optimizer)
    (self.parameters, self.slots) = (parameters, slots)
  }
}
