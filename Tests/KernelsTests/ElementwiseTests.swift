import Foundation
import Kernels
import Testing

@Suite struct ElementwiseTests {
  private let inputs: [Float] = (-4000...4000).map { Float($0) / 100 } + [-0.0, 1e-6, -1e-6, 100, -100, 1e30, -1e30]

  private func apply(_ kernel: (Floats, MutableFloats) -> Void) -> [Float] {
    let values = FloatBuffer(inputs)
    let bias = FloatBuffer(count: inputs.count)
    kernel(bias.values, values.all)
    return values.values.array
  }

  @Test func tanhIsWithinAFewUlps() {
    for (x, y) in zip(inputs, apply(biasTanh)) {
      #expect(abs(Double(y) - tanh(Double(x))) <= 3e-7, "tanh(\(x)) = \(y)")
    }
  }

  @Test func sigmoidIsWithinAFewUlps() {
    for (x, y) in zip(inputs, apply(biasSigmoid)) {
      #expect(abs(Double(y) - 1 / (1 + exp(-Double(x)))) <= 2e-7, "sigmoid(\(x)) = \(y)")
    }
  }

  @Test func geluIsTheExactForm() {
    let values = FloatBuffer(inputs)
    let activated = FloatBuffer(count: inputs.count)
    let bias = FloatBuffer(count: inputs.count)
    biasGELU(bias.values, values.all, activated: activated.all)
    for (x, y) in zip(inputs, activated.values.array) {
      let exact = Double(x) * 0.5 * erfc(-Double(x) / 2.0.squareRoot())
      #expect(abs(Double(y) - exact) <= 4e-7 * max(1, abs(exact)), "gelu(\(x)) = \(y)")
    }
  }

  @Test func reluKeepsNaN() {
    let values = FloatBuffer([-1, 0, 2, .nan])
    let bias = FloatBuffer([1, 1, 1, 1])
    biasReLU(bias.values, values.all)
    #expect(values.values.array[0..<3] == [0, 1, 3])
    #expect(values.values[3].isNaN)
  }

  @Test func columnSumsAddTheFirstRowFirst() {
    // In another order 1e8 + 1 − 1e8 + 1 is not 1.
    let values = FloatBuffer([1e8, 1, 1, 2, -1e8, 3, 1, 4])
    let matrix = Matrix(values.values, rows: 4, columns: 2)
    let sums = FloatBuffer(count: 2)
    columnSums(of: matrix, into: sums.all)
    #expect(sums.values.array == [1, 10])
  }

  @Test("softmax cross-entropy agrees with the definition, at extreme logits too")
  func softmax() {
    let logits: [Float] = [1, 2, 3, -1000, 0, 1000, 0.5, 0.5, 0.5]
    let labels = LabelBuffer(count: 3)
    (labels[0], labels[1], labels[2]) = (2, 0, 1)
    let gradient = FloatBuffer(logits)
    let sums = softmaxCrossEntropy(gradient.all, labels: labels.prefix(3))
    var expected = 0.0
    for row in 0..<3 {
      let z = logits[row * 3..<row * 3 + 3].map(Double.init)
      let largest = z.max()!
      let total = z.reduce(0) { $0 + exp($1 - largest) }
      expected += log(total) - (z[Int(labels[row])] - largest)
      for column in 0..<3 {
        let probability = exp(z[column] - largest) / total
        let want = probability - (column == Int(labels[row]) ? 1 : 0)
        #expect(abs(Double(gradient.values[row * 3 + column]) - want) < 1e-6)
      }
    }
    #expect(abs(sums.loss - expected) < 1e-4)
    #expect(sums.correct == 1)
  }
}
