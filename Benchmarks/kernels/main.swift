// How close the kernels are to what one core of this machine can do.
//
//     swift run -c release kernel-benchmark
//
// Arithmetic is held against the fastest product of square matrices; what only moves memory against the system's memcpy of
// 20 million floats, in bytes read plus bytes written. Each figure is a median.
import Kernels
import Optimizers

/// Three vectors of 20 million values, more than any cache holds.
struct Vectors {
  let count = 20_000_000
  let one, two, three: FloatBuffer

  init() {
    (one, two, three) = (FloatBuffer(count: count), FloatBuffer(count: count), FloatBuffer(count: count))
    Philox(seed: 1, stream: 1).fillUniform(one.all, bound: 1)
    Philox(seed: 1, stream: 2).fillUniform(two.all, bound: 1)
  }
}

func matrix(_ rows: Int, _ columns: Int) -> FloatBuffer {
  let buffer = FloatBuffer(count: rows * columns)
  Philox(seed: 2, stream: UInt64(rows + columns)).fillUniform(buffer.all, bound: 1)
  return buffer
}

useOneThreadForMatrices()
let vectors = Vectors()
let peak = [256, 512, 1024, 2048].map { side in
  let (left, right, product) = (matrix(side, side), matrix(side, side), matrix(side, side))
  let time = seconds {
    multiply(
      Matrix(left.values, rows: side, columns: side), Matrix(right.values, rows: side, columns: side),
      into: product.all)
  }
  return 2 * Double(side * side * side) / time
}.max()!
let copyBandwidth = 8 * Double(vectors.count) / seconds { vectors.three.all.copy(vectors.one.values) }
print("limits of one core: \(places(peak / 1e9, 0)) GFLOP/s, \(places(copyBandwidth / 1e9, 1)) GB/s\n")

print("| layer (examples, in → out) | forward, GFLOP/s | weight gradient | input gradient |")
print("| --- | ---: | ---: | ---: |")
for (examples, inputs, outputs) in [
  (32, 784, 64), (128, 784, 256), (128, 256, 128), (128, 784, 1024), (128, 1024, 1024), (128, 784, 4096),
  (128, 4096, 4096),
] {
  let (input, weight, output) = (matrix(examples, inputs), matrix(inputs, outputs), matrix(examples, outputs))
  let (gradient, inputGradients) = (matrix(inputs, outputs), matrix(examples, inputs))
  let (x, w) = (
    Matrix(input.values, rows: examples, columns: inputs), Matrix(weight.values, rows: inputs, columns: outputs)
  )
  let dy = Matrix(output.values, rows: examples, columns: outputs)
  var scratch = LayerScratch()
  let operations = 2 * Double(examples * inputs * outputs)
  func cell(_ time: Double) -> String {
    "\(places(operations / time / 1e9, 0)) (\(percent(operations / time / peak)))"
  }
  let result = matrix(examples, outputs)
  row(
    "\(examples), \(inputs) → \(outputs)", cell(seconds { multiply(x, w, into: result.all) }),
    cell(
      seconds {
        weightGradient(
          inputs: x, outputGradients: dy, microBatches: [0..<examples], into: gradient.all, scratch: &scratch)
      }),
    cell(
      seconds {
        inputGradient(outputGradients: dy, weight: w, into: inputGradients.all, scratch: &scratch)
      }))
  withExtendedLifetime((input, weight, output, result)) {}
}

print("\n| over 20 million values | bytes a value | GB/s | of memcpy |\n| --- | ---: | ---: | ---: |")
func stream(_ name: String, bytes: Int, _ body: () -> Void) {
  let bandwidth = Double(bytes * vectors.count) / seconds(body)
  row(name, "\(bytes)", places(bandwidth / 1e9, 1), percent(bandwidth / copyBandwidth))
}
let bias = matrix(1, 1000)
stream("sum of two gradients", bytes: 12) { accumulate(vectors.one.values, into: vectors.three.all) }
vectors.three.all.copy(vectors.one.values)
stream("look for what is not finite", bytes: 4) { precondition(vectors.one.values.areFinite) }
stream("bias and ReLU", bytes: 8) { biasReLU(bias.values, vectors.three.all) }
stream("ReLU's derivative", bytes: 12) {
  multiplyByReLUDerivative(vectors.three.all, activated: vectors.one.values)
}

print("")
try timeUpdateRules(vectors, copyBandwidth: copyBandwidth)
