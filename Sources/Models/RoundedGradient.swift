package import Datasets
package import Kernels
internal import Reduction
package import Schema

extension Model {
  /// The gradient of the loss summed over several micro-batches along the reduction tree, in bf16: each micro-batch's
  /// gradient and each sum of two nodes is rounded. Statistics are added in float32.
  ///
  /// Computes one micro-batch after the other, because a model that sums several at once rounds none of them.
  ///
  /// - Parameters: those of ``gradient(of:microBatches:at:into:using:scratch:)``.
  /// - Returns: the sums of ``metrics`` over each micro-batch.
  package func roundedGradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors
  ) -> [Metrics] {
    let count = layout.parameterCount
    let partial = scratch.reserve(treeDepth(microBatches.count) - 1, of: gradient.count)
    func vector(_ depth: Int) -> MutableFloats { depth == 0 ? gradient : partial[depth - 1].all }
    var metrics: [Metrics] = []
    sumAlongTree(0..<microBatches.count) { index, depth in
      metrics.append(
        self.gradient(of: batch[microBatches[index]], at: parameters, into: vector(depth), using: &workspace))
    } add: { depth in
      // Rounds what it adds, and so the micro-batches' gradients.
      accumulate(vector(depth + 1).readOnly, into: vector(depth), roundedCount: count)
    }
    if microBatches.count == 1 { roundToBF16(gradient.readOnly[0..<count], into: gradient[0..<count]) }
    return metrics
  }
}
