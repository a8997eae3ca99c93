package import Kernels
package import Optimizers
package import Schema

/// The state of a run between two steps, from which a coordinator can resume.
package struct SavedState: Sendable {
  /// Steps done, including skipped ones.
  package var step: Int
  /// The number of steps after which each part was last evaluated.
  package var evaluatedSteps: [HeldOutPart: Int]
  package var optimizer: OptimizerState
  /// Must not change any more.
  package let parameters: FloatBuffer
  /// The optimizer's slots, one after the other.
  package let slots: FloatBuffer
  /// The averages that evaluations read in place of ``parameters``; nil if they read these.
  package let average: FloatBuffer?

  package init(
    step: Int, evaluatedSteps: [HeldOutPart: Int] = [:], optimizer: OptimizerState, parameters: FloatBuffer,
    slots: FloatBuffer, average: FloatBuffer? = nil
  ) {
    (self.step, self.evaluatedSteps, self.optimizer) = (step, evaluatedSteps, optimizer)
    (self.parameters, self.slots, self.average) = (parameters, slots, average)
  }
}
