internal import CKernels
internal import Reduction

/// Memory that one thread computes a layer's gradients in; grows as needed.
package struct LayerScratch {
  private var buffer = FloatBuffer(count: 0)

  /// No memory yet.
  package init() {}

  mutating func reserve(_ count: Int) -> MutableFloats {
    if buffer.count < count { buffer = FloatBuffer(count: count) }
    return buffer.all[0..<count]
  }
}

/// `gradient` = Σ over micro-batches of inputsᵀ · outputGradients, along the tree: a linear layer's weight gradient.
///
/// The micro-batches' parts are summed in registers, so that many small ones cost no more than one large one. A
/// micro-batch's part has the same bits alone or among others.
///
/// - Parameters:
///   - inputs: examples × in.
///   - outputGradients: examples × out.
///   - microBatches: ranges of examples that follow each other and together are all.
///   - gradient: in × out.
///   - widestVector: floats in the widest vectors used; for tests.
package func weightGradient(
  inputs: Matrix, outputGradients: Matrix, microBatches: [Range<Int>], into gradient: MutableFloats,
  scratch: inout LayerScratch, widestVector: Int = 16
) {
  let (examples, rows, columns) = (inputs.rows, inputs.columns, outputGradients.columns)
  precondition(
    examples == outputGradients.rows && gradient.count == rows * columns,
    "the gradient of \(examples)×\(rows) inputs and \(outputGradients.rows)×\(columns) output gradients")
  precondition(
    zip(microBatches, microBatches.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }
      && microBatches.first?.lowerBound == 0 && microBatches.last?.upperBound == examples,
    "\(microBatches) are not all of \(examples) examples")
  let memory = scratch.reserve(examples * (Int(LK_WIDEST_PANEL) + rows + 5))
  lk_weight_gradient(
    gradient.base, inputs.values.base, outputGradients.values.base, examples, rows, columns,
    microBatches.map(\.upperBound), microBatches.count, memory.base, widestVector)
}

/// `gradient` = Σ over micro-batches of the column sums of `outputGradients`, along the tree: a layer's bias gradient.
package func biasGradient(
  outputGradients: Matrix, microBatches: [Range<Int>], into gradient: MutableFloats, scratch: inout LayerScratch
) {
  let columns = outputGradients.columns
  precondition(gradient.count == columns, "\(columns) column sums into \(gradient.count) values")
  let partial = scratch.reserve((treeDepth(microBatches.count) - 1) * columns)
  func place(_ depth: Int) -> MutableFloats {
    depth == 0 ? gradient : partial[(depth - 1) * columns..<depth * columns]
  }
  sumAlongTree(0..<microBatches.count) { index, depth in
    columnSums(of: outputGradients.rows(microBatches[index]), into: place(depth))
  } add: { depth in
    accumulate(place(depth + 1).readOnly, into: place(depth))
  }
}

/// `inputGradients` = outputGradients · weightᵀ: a linear layer's gradient with respect to its input.
///
/// Above a few examples it is computed as (weight · outputGradientsᵀ)ᵀ, so that the large matrix is read as it lies: at
/// 16 examples of 1024 × 1024 that is 2.5 times as fast.
///
/// - Parameters:
///   - outputGradients: examples × out.
///   - weight: in × out.
///   - inputGradients: examples × in.
package func inputGradient(
  outputGradients: Matrix, weight: Matrix, into inputGradients: MutableFloats, scratch: inout LayerScratch
) {
  let (examples, outputs, inputs) = (outputGradients.rows, outputGradients.columns, weight.rows)
  guard examples >= 12 else {
    multiply(outputGradients, weight.transposed, into: inputGradients)
    return
  }
  precondition(inputGradients.count == examples * inputs, "\(inputGradients.count) values for \(examples)×\(inputs)")
  let memory = scratch.reserve(examples * (outputs + inputs))
  let (columns, result) = (memory[0..<examples * outputs], memory[examples * outputs..<memory.count])
  lk_transpose(columns.base, outputGradients.values.base, examples, outputs)
  multiply(weight, Matrix(columns.readOnly, rows: outputs, columns: examples), into: result)
  lk_transpose(inputGradients.base, result.base, inputs, examples)
}
