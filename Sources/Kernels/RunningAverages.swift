/// The share of a step in running averages, PyTorch's default.
private let momentum: Float = 0.1

/// `after` = (1 − 0.1) · `before` + 0.1 · `sum` / `examples`, the product with 0.1 fused.
package func runningAverages(_ before: Floats, _ sum: Floats, examples: Int, into after: MutableFloats) {
  precondition(before.count == sum.count && after.count == sum.count && examples > 0)
  for index in after.indices {
    after[index] = ((1 - momentum) * before[index]).addingProduct(momentum, sum[index] / Float(examples))
  }
}
