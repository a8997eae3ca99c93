import Kernels
import TestSupport
import Testing

@testable import Reduction

@Suite struct LinearLayerTests {
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
    _ inputs: Matrix, _ outputGradients: Matrix, _ microBatches: [Range<Int>]
  ) -> [Float] {
    let weight = FloatBuffer(count: inputs.columns * outputGradients.columns)
    weight.all.fill(.nan)
    var scratch = LayerScratch()
    weightGradient(
      inputs: inputs, outputGradients: outputGradients, microBatches: microBatches, into: weight.all,
      scratch: &scratch)
    return weight.values.array
  }

  @Test("weights' gradients are the tree sum of each micro-batch's own")
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
      func tree(_ range: Range<Int>) -> [Float] {
        guard range.count > 1 else { return parts[range.lowerBound] }
        var half = 1
        while 2 * half < range.count { half *= 2 }
        let left = tree(range.lowerBound..<range.lowerBound + half)
        let right = tree(range.lowerBound + half..<range.upperBound)
        return zip(left, right).map { $0 + $1 }
      }
      let expected = tree(0..<parts.count)
      let all = sums(inputs, outputGradients, microBatches)
      #expect(all.map(\.bitPattern) == expected.map(\.bitPattern), "seed \(seed)")
    }
  }

  @Test("a micro-batch's weight gradient is one sum of fused multiply-adds in the order of its examples")
  func weightGradients() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for (examples, rows, columns) in [(1, 1, 1), (5, 7, 3), (16, 25, 49), (40, 9, 600)] {
      let (x, d) = (uniform(examples * rows, &random), uniform(examples * columns, &random))
      let found = sums(
        Matrix(x.values, rows: examples, columns: rows), Matrix(d.values, rows: examples, columns: columns),
        [0..<examples])
      for row in 0..<rows {
        for column in 0..<columns {
          let expected = (0..<examples).reduce(Float(0)) {
            $0.addingProduct(x.values[$1 * rows + row], d.values[$1 * columns + column])
          }
          #expect(found[row * columns + column].bitPattern == expected.bitPattern, "seed \(seed)")
        }
      }
    }
  }

  /// Sizes around those of vectors, tiles and blocks.
  static let sizes = [
    (1, 1, 1), (2, 3, 5), (7, 17, 9), (8, 16, 48), (13, 31, 49), (16, 513, 64), (33, 260, 97), (3, 1030, 24),
    (128, 10, 33), (20, 64, 10),
  ]

  @Test("an output is one sum of fused multiply-adds in the order of the inputs", arguments: sizes)
  func outputs(_ examples: Int, _ inputs: Int, _ outputs: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let (x, w, bias) = (
      uniform(examples * inputs, &random), uniform(inputs * outputs, &random), uniform(outputs, &random)
    )
    func compute(_ rows: Range<Int>, _ activation: Activation?, hasBias: Bool = true, offset: Int = 0) -> [UInt32] {
      let result = FloatBuffer(count: rows.count * outputs + offset)
      result.all.fill(.nan)
      var scratch = LayerScratch()
      linear(
        inputs: Matrix(x.values, rows: examples, columns: inputs).rows(rows),
        weight: Matrix(w.values, rows: inputs, columns: outputs), bias: hasBias ? bias.values : nil,
        activation: activation, into: result.all[offset..<result.count], scratch: &scratch)
      return result.values.array[offset...].map(\.bitPattern)
    }
    let sums = (0..<examples * outputs).map { index in
      (0..<inputs).reduce(Float(0)) {
        $0.addingProduct(x.values[index / outputs * inputs + $1], w.values[$1 * outputs + index % outputs])
      }
    }
    let biased = sums.enumerated().map { $1 + bias.values[$0 % outputs] }
    #expect(compute(0..<examples, nil, hasBias: false) == sums.map(\.bitPattern), "seed \(seed)")
    let all = compute(0..<examples, nil)
    #expect(all == biased.map(\.bitPattern), "seed \(seed)")
    #expect(compute(0..<examples, .relu) == biased.map { ($0 < 0 ? 0 : $0).bitPattern }, "seed \(seed)")
    // Neither the rows that are computed together nor the place in memory change a bit.
    for first in Set([0, examples / 3, examples - 1]) {
      #expect(compute(first..<examples, nil) == Array(all[(first * outputs)...]), "seed \(seed)")
    }
    for offset in [1, 5, 15] { #expect(compute(0..<examples, nil, offset: offset) == all, "seed \(seed)") }
  }

  @Test("an input's gradient is one sum in the order of the outputs, times the derivative", arguments: sizes)
  func inputGradients(_ examples: Int, _ inputs: Int, _ outputs: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let (d, w, kept) = (
      uniform(examples * outputs, &random), uniform(inputs * outputs, &random), uniform(examples * inputs, &random)
    )
    func compute(_ before: Activation?, _ rows: Range<Int>) -> [UInt32] {
      let result = FloatBuffer(count: rows.count * inputs)
      result.all.fill(.nan)
      var scratch = LayerScratch()
      inputGradient(
        outputGradients: Matrix(d.values, rows: examples, columns: outputs).rows(rows),
        weight: Matrix(w.values, rows: inputs, columns: outputs),
        through: before.map { ($0, kept.values[rows.lowerBound * inputs..<rows.upperBound * inputs]) },
        into: result.all, scratch: &scratch)
      return result.values.array.map(\.bitPattern)
    }
    let expected = (0..<examples * inputs).map { index in
      (0..<outputs).reduce(Float(0)) {
        $0.addingProduct(d.values[index / inputs * outputs + $1], w.values[index % inputs * outputs + $1])
      }
    }
    let all = compute(nil, 0..<examples)
    #expect(all == expected.map(\.bitPattern), "seed \(seed)")
    #expect(
      compute(.relu, 0..<examples) == expected.enumerated().map { (kept.values[$0] > 0 ? $1 : 0).bitPattern },
      "seed \(seed)")
    #expect(
      compute(.tanh, 0..<examples)
        == expected.enumerated().map { ($1 * Float(1).addingProduct(-kept.values[$0], kept.values[$0])).bitPattern },
      "seed \(seed)")
    // With other rows it is computed in the other way.
    for first in Set([0, examples / 3, examples - 1]) {
      #expect(compute(nil, first..<examples) == Array(all[(first * inputs)...]), "seed \(seed)")
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
