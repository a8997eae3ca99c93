package import Datasets
package import Kernels
internal import Reduction
package import Schema

extension Model {
  /// The gradient of the loss summed over several micro-batches along the reduction tree, in bf16: each micro-batch's
  /// gradient and each sum of two nodes is rounded. Statistics are added in float32.
  ///
  /// Computes one micro-batch after the other, because a model that sums several at once rounds none of them. Ranges are
  /// reported while the last one is computed.
  ///
  /// - Parameters: those of ``gradient(of:microBatches:at:into:using:scratch:whenFinal:)``.
  /// - Returns: the sums of ``metrics`` over each micro-batch.
  package func roundedGradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors, whenFinal: (Range<Int>, [Metrics]) -> Void
  ) -> [Metrics] {
    let count = layout.parameterCount
    let partial = scratch.reserve(treeDepth(microBatches.count) - 1, of: gradient.count)
    func vector(_ depth: Int) -> MutableFloats { depth == 0 ? gradient : partial[depth - 1].all }
    // Rounds what it adds, and so the micro-batches' gradients.
    func add(_ range: Range<Int>, _ depth: Int) {
      accumulate(
        vector(depth + 1)[range].readOnly, into: vector(depth)[range],
        roundedCount: range.clamped(to: 0..<count).count)
    }
    var metrics: [Metrics] = []
    sumAlongTree(0..<microBatches.count) { index, depth in
      let own = batch[microBatches[index]]
      guard index == microBatches.count - 1 else {
        metrics.append(self.gradient(of: own, at: parameters, into: vector(depth), using: &workspace))
        return
      }
      let former = metrics
      metrics += self.gradient(
        of: own, microBatches: [0..<own.count], at: parameters, into: vector(depth), using: &workspace,
        scratch: &scratch
      ) { range, last in
        for depth in (0..<depth).reversed() { add(range, depth) }
        if former.isEmpty {
          let rounded = range.clamped(to: 0..<count)
          roundToBF16(gradient.readOnly[rounded], into: gradient[rounded])
        }
        whenFinal(range, former + last)
      }
    } add: { depth in
      if metrics.count < microBatches.count { add(gradient.indices, depth) }
    }
    return metrics
  }
}
