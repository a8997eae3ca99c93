internal import CKernels

/// One thread's scratch memory for a layer. It grows as needed.
package struct LayerScratch {
  private var buffer = FloatBuffer(count: 0)

  package init() {}

  /// `count` floats with any content, valid until the next call.
  package mutating func reserve(_ count: Int) -> MutableFloats {
    if buffer.count < count { buffer = FloatBuffer(count: count) }
    return buffer.all[0..<count]
  }

  /// The size of the block of a matrix that a product copies.
  static let block = Int(LK_INNER) * Int(LK_PANEL)
}

/// `outputs` = activation(`inputs` · `weight` + `bias`).
///
/// Each element is one sum in the order of the inputs, so a row's bits do not depend on which rows are computed with it.
///
/// - Parameters:
///   - inputs: examples × in.
///   - weight: in × out.
///   - bias: of `out` values; nil for none, and then there is no activation.
///   - activation: nil for the identity.
///   - outputs: examples × out. With `activated`, they take the activation's input instead.
///   - activated: takes the activation's output.
package func linear(
  inputs: Matrix, weight: Matrix, bias: Floats?, activation: Activation?, into outputs: MutableFloats,
  activated: MutableFloats? = nil, scratch: inout LayerScratch
) {
  let (examples, out) = (inputs.rows, weight.columns)
  precondition(inputs.columns == weight.rows, "\(examples)×\(inputs.columns) · \(weight.rows)×\(out)")
  precondition(
    outputs.count == examples * out && (activated?.count ?? outputs.count) == outputs.count
      && (bias?.count ?? out) == out, "a \(examples)×\(out) product into \(outputs.count) values")
  precondition(bias != nil || (activation == nil && activated == nil), "an activation without bias")
  let memory = scratch.reserve(LayerScratch.block)
  kernels.linear(
    outputs.base, activated?.base, inputs.values.base, weight.values.base, bias?.base, examples, inputs.columns, out,
    activation?.kernel ?? LK_IDENTITY, memory.base)
}

/// A linear layer's weight gradient: `gradient` = Σ over micro-batches of inputsᵀ · outputGradients, along the tree.
///
/// Micro-batches are summed in registers. The bits of a micro-batch's term do not depend on the other micro-batches.
///
/// - Parameters:
///   - inputs: examples × in.
///   - outputGradients: examples × out.
///   - microBatches: contiguous ranges that together cover all examples.
///   - rowsPerExample: 1, or the number of positions in an example.
///   - gradient: in × out.
package func weightGradient(
  inputs: Matrix, outputGradients: Matrix, microBatches: [Range<Int>], rowsPerExample: Int = 1,
  into gradient: MutableFloats, scratch: inout LayerScratch
) {
  var end = 0
  for microBatch in microBatches {
    precondition(microBatch.lowerBound == end, "\(microBatches) are not contiguous")
    end = microBatch.upperBound
  }
  precondition(end * rowsPerExample == inputs.rows, "\(microBatches) are not all of \(inputs.rows) rows")
  withUnsafeTemporaryAllocation(of: Int.self, capacity: microBatches.count) { ends in
    for index in microBatches.indices { ends[index] = microBatches[index].upperBound * rowsPerExample }
    weightGradient(inputs, outputGradients, UnsafeBufferPointer(ends), into: gradient, &scratch)
  }
}

/// `gradient` = inputsᵀ · outputGradients: the weight gradient of a single micro-batch.
package func weightGradient(
  inputs: Matrix, outputGradients: Matrix, into gradient: MutableFloats, scratch: inout LayerScratch
) {
  withUnsafePointer(to: inputs.rows) {
    weightGradient(inputs, outputGradients, UnsafeBufferPointer(start: $0, count: 1), into: gradient, &scratch)
  }
}

/// - Parameter ends: where the rows of each micro-batch end.
private func weightGradient(
  _ inputs: Matrix, _ outputGradients: Matrix, _ ends: UnsafeBufferPointer<Int>, into gradient: MutableFloats,
  _ scratch: inout LayerScratch
) {
  let (examples, rows, columns) = (inputs.rows, inputs.columns, outputGradients.columns)
  precondition(
    examples == outputGradients.rows && gradient.count == rows * columns,
    "the gradient of \(examples)×\(rows) inputs and \(outputGradients.rows)×\(columns) output gradients")
  let memory = scratch.reserve(examples * (Int(LK_PANEL) + rows))
  kernels.linear_weight_gradient(
    gradient.base, inputs.values.base, outputGradients.values.base, examples, rows, columns, ends.baseAddress,
    ends.count, memory.base)
}

/// A linear layer's gradient with respect to its input: `inputGradients` = outputGradients · weightᵀ, times the
/// derivative of the activation that gave the input.
///
/// - Parameters:
///   - outputGradients: examples × out.
///   - weight: in × out.
///   - before: the activation that gave the input, and what it kept: its input if ``Activation/keepsInput``, otherwise
///     its output. Nil for none.
///   - inputGradients: examples × in.
package func inputGradient(
  outputGradients: Matrix, weight: Matrix, through before: (activation: Activation, kept: Floats)?,
  into inputGradients: MutableFloats, scratch: inout LayerScratch
) {
  let (examples, out, rows) = (outputGradients.rows, outputGradients.columns, weight.rows)
  precondition(out == weight.columns, "\(examples)×\(out) output gradients of \(rows)×\(weight.columns) weights")
  precondition(
    inputGradients.count == examples * rows && (before?.kept.count ?? inputGradients.count) == inputGradients.count,
    "\(inputGradients.count) values for \(examples)×\(rows)")
  let memory = scratch.reserve(max(LayerScratch.block, (examples + Int(LK_LANES)) * (rows + out)))
  kernels.linear_input_gradient(
    inputGradients.base, outputGradients.values.base, weight.values.base, before?.kept.base, examples, rows, out,
    before?.activation.kernel ?? LK_IDENTITY, memory.base)
}
