import Foundation
import Kernels
import Testing

@Suite struct ElementwiseTests {
  @Test func reluKeepsNaN() {
    let (inputs, weight, bias) = (FloatBuffer([-1, 0, 2, .nan]), FloatBuffer([1]), FloatBuffer([1]))
    let values = FloatBuffer(count: 4)
    var scratch = LayerScratch()
    linear(
      inputs: Matrix(inputs.values, rows: 4, columns: 1), weight: Matrix(weight.values, rows: 1, columns: 1),
      bias: bias.values, activation: .relu, into: values.all, scratch: &scratch)
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
