import Kernels
import TestSupport
import Testing

@testable import Reduction

@Suite struct LayerGradientsTests {
  /// Consecutive ranges of random sizes.
  private func cuts(_ random: inout SeededGenerator) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for _ in 0..<Int.random(in: 1...13, using: &random) {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<start + Int.random(in: 1...19, using: &random))
    }
    return ranges
  }

  private func uniform(_ count: Int, _ random: inout SeededGenerator) -> FloatBuffer {
    let buffer = FloatBuffer(count: count)
    Philox(seed: random.next(), stream: 0).fillUniform(buffer.all, bound: 1)
    return buffer
  }

  private func sums(
    _ inputs: Matrix, _ outputGradients: Matrix, _ microBatches: [Range<Int>], widestVector: Int = 16
  ) -> (weight: [Float], bias: [Float]) {
    let weight = FloatBuffer(count: inputs.columns * outputGradients.columns)
    let bias = FloatBuffer(count: outputGradients.columns)
    weight.all.fill(.nan)
    bias.all.fill(.nan)
    var scratch = LayerScratch()
    weightGradient(
      inputs: inputs, outputGradients: outputGradients, microBatches: microBatches, into: weight.all,
      scratch: &scratch, widestVector: widestVector)
    biasGradient(
      outputGradients: outputGradients, microBatches: microBatches, into: bias.all, scratch: &scratch)
    return (weight.values.array, bias.values.array)
  }

  @Test("weights' and biases' gradients are the tree sum of each micro-batch's own, on every instruction set")
  func sumsAlongTheTree() {
    for _ in 0..<60 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var random = SeededGenerator(seed: seed)
      let microBatches = cuts(&random)
      let examples = microBatches.last!.upperBound
      let (rows, columns) = (Int.random(in: 1...40, using: &random), Int.random(in: 1...150, using: &random))
      let x = uniform(examples * rows, &random)
      let d = uniform(examples * columns, &random)
      let inputs = Matrix(x.values, rows: examples, columns: rows)
      let outputGradients = Matrix(d.values, rows: examples, columns: columns)

      let parts = microBatches.map { examples in
        sums(inputs.rows(examples), outputGradients.rows(examples), [0..<examples.count])
      }
      func tree(_ range: Range<Int>) -> (weight: [Float], bias: [Float]) {
        guard range.count > 1 else { return parts[range.lowerBound] }
        var half = 1
        while 2 * half < range.count { half *= 2 }
        let left = tree(range.lowerBound..<range.lowerBound + half)
        let right = tree(range.lowerBound + half..<range.upperBound)
        return (zip(left.weight, right.weight).map { $0 + $1 }, zip(left.bias, right.bias).map { $0 + $1 })
      }
      let expected = tree(0..<parts.count)
      let all = sums(inputs, outputGradients, microBatches)
      #expect(all.weight.map(\.bitPattern) == expected.weight.map(\.bitPattern), "seed \(seed)")
      #expect(all.bias.map(\.bitPattern) == expected.bias.map(\.bitPattern), "seed \(seed)")
      let narrow = sums(inputs, outputGradients, microBatches, widestVector: 8).weight
      #expect(narrow.map(\.bitPattern) == all.weight.map(\.bitPattern), "seed \(seed)")
      let narrowest = sums(inputs, outputGradients, microBatches, widestVector: 4).weight
      for (index, value) in all.weight.enumerated() {
        let (row, column) = (index / columns, index % columns)
        let exact = (0..<examples).reduce(0.0) {
          $0 + Double(x.values[$1 * rows + row]) * Double(d.values[$1 * columns + column])
        }
        #expect(abs(Double(value) - exact) < 1e-5 * Double(examples), "seed \(seed)")
        #expect(abs(Double(narrowest[index]) - exact) < 1e-5 * Double(examples), "seed \(seed)")
      }
    }
  }

  @Test("the inputs' gradient is the output gradients times the transposed weight", arguments: [1, 11, 12, 16, 37])
  func inputGradients(_ examples: Int) {
    for (inputs, outputs) in [(1, 1), (16, 16), (17, 33), (100, 10)] {
      let seed = UInt64.random(in: 0...UInt64.max)
      var random = SeededGenerator(seed: seed)
      let d = uniform(examples * outputs, &random)
      let w = uniform(inputs * outputs, &random)
      let result = FloatBuffer(count: examples * inputs)
      result.all.fill(.nan)
      var scratch = LayerScratch()
      inputGradient(
        outputGradients: Matrix(d.values, rows: examples, columns: outputs),
        weight: Matrix(w.values, rows: inputs, columns: outputs), into: result.all, scratch: &scratch)
      for example in 0..<examples {
        for input in 0..<inputs {
          let exact = (0..<outputs).reduce(0.0) {
            $0 + Double(d.values[example * outputs + $1]) * Double(w.values[input * outputs + $1])
          }
          #expect(abs(Double(result.values[example * inputs + input]) - exact) < 1e-5 * Double(outputs), "seed \(seed)")
        }
      }
    }
  }

  @Test("sumAlongTree adds left and right at the largest power of two below the count, in few accumulators")
  func treeSums() {
    func expression(_ range: Range<Int>) -> String {
      guard range.count > 1 else { return "\(range.lowerBound)" }
      var half = 1
      while 2 * half < range.count { half *= 2 }
      let middle = range.lowerBound + half
      return "(\(expression(range.lowerBound..<middle)) \(expression(middle..<range.upperBound)))"
    }
    for count in 1...70 {
      var accumulators = Array(repeating: "", count: treeDepth(count))
      sumAlongTree(0..<count) { leaf, depth in
        accumulators[depth] = "\(leaf)"
      } add: { depth in
        accumulators[depth] = "(\(accumulators[depth]) \(accumulators[depth + 1]))"
      }
      #expect(accumulators[0] == expression(0..<count))
    }
  }
}
