internal import CKernels

/// The median duration of `body`, in seconds, on the calling thread.
package func medianSeconds(_ body: () -> Void) -> Double {
  let clock = ContinuousClock()
  func time(_ rounds: Int) -> Double { clock.measure { for _ in 0..<rounds { body() } } / .seconds(1) / Double(rounds) }
  // Long enough for the clock, and for the processor to reach its full frequency.
  let rounds = max(1, Int(0.02 / max(min(time(1), time(1)), 1e-9)))
  return (0..<7).map { _ in time(rounds) }.sorted()[3]
}

/// Floating-point operations a second of one core, two for each multiply-add, with vectors of `width` and without
/// access to memory. No product of matrices is faster.
package func peakOperations(_ width: VectorWidth = .current) -> Double {
  let kernels = lk_kernels_of_width(Int32(width.rawValue)).pointee
  var count = 0.0
  let seconds = medianSeconds { count = kernels.multiply_adds(10_000) }
  return 2 * count / seconds
}

/// Floating-point operations a second of a linear layer's three products on one core, on random values.
package struct LayerSpeed {
  package let forward, weightGradient, inputGradient: Double

  package init(examples: Int, inputs: Int, outputs: Int) {
    func matrix(_ rows: Int, _ columns: Int, _ stream: UInt64) -> FloatBuffer {
      let buffer = FloatBuffer(count: rows * columns)
      Philox(seed: 2, stream: stream).fillUniform(buffer.all, bound: 1)
      return buffer
    }
    let (x, w, y) = (matrix(examples, inputs, 1), matrix(inputs, outputs, 2), matrix(examples, outputs, 3))
    let result = FloatBuffer(count: max(examples * outputs, inputs * outputs, examples * inputs))
    let (input, weight, outputGradients) = (
      Matrix(x.values, rows: examples, columns: inputs), Matrix(w.values, rows: inputs, columns: outputs),
      Matrix(y.values, rows: examples, columns: outputs)
    )
    var scratch = LayerScratch()
    let operations = 2 * Double(examples * inputs * outputs)
    (forward, weightGradient, inputGradient) = withExtendedLifetime((x, w, y, result)) {
      (
        operations
          / medianSeconds {
            linear(
              inputs: input, weight: weight, bias: nil, activation: nil, into: result.all[0..<examples * outputs],
              scratch: &scratch)
          },
        operations
          / medianSeconds {
            Kernels.weightGradient(
              inputs: input, outputGradients: outputGradients, microBatches: [0..<examples],
              into: result.all[0..<inputs * outputs], scratch: &scratch)
          },
        operations
          / medianSeconds {
            Kernels.inputGradient(
              outputGradients: outputGradients, weight: weight, through: nil,
              into: result.all[0..<examples * inputs], scratch: &scratch)
          }
      )
    }
  }
}
