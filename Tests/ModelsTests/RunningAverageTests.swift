import Datasets
import Foundation
import Kernels
import Schema
import Testing

@testable import Models

/// A step of Fixtures/running_averages.py.
private struct Step: Decodable {
  let microBatches: [Int]
  let values: [Float]
  /// After the step.
  let means: [Double]
  let variances: [Double]

  static func all() throws -> [Step] {
    let url = Bundle.module.url(forResource: "running_averages", withExtension: "json", subdirectory: "Fixtures")!
    return try JSONDecoder().decode([Step].self, from: Data(contentsOf: url))
  }
}

@Suite struct RunningAverageTests {
  @Test("ten steps of micro-batches of unequal sizes give PyTorch's running averages")
  func tenSteps() throws {
    let shape = [2, 3, 3]
    let pixels = shape.reduce(1, *)
    let network = try Network(BatchNorm(), input: shape, loss: GivenGradient())
    let values = FloatBuffer(count: network.layout.count)
    network.initialize(values.all, seed: 0)
    let statistics = network.layout.parameterCount..<network.layout.count
    #expect(values.array[statistics] == [0, 0, 0, 1, 1, 1])
    var workspace = network.makeWorkspace()
    var scratch = ScratchVectors()
    for (number, step) in try Step.all().enumerated() {
      let examples = step.microBatches.reduce(0, +)
      var microBatches: [Range<Int>] = []
      for count in step.microBatches {
        let start = microBatches.last?.upperBound ?? 0
        microBatches.append(start..<start + count)
      }
      let features = FloatBuffer(step.values)
      let matrix = Matrix(features.values, rows: examples, columns: pixels)
      let sums = FloatBuffer(count: values.count)
      _ = network.gradient(
        of: Batch(features: matrix, targets: .values(matrix)), microBatches: microBatches, at: values.values,
        into: sums.all, using: &workspace, scratch: &scratch)
      let after = FloatBuffer(count: statistics.count)
      runningAverages(values.values[statistics], sums.values[statistics], examples: examples, into: after.all)
      values.all[statistics].copy(after.values)
      for (got, expected) in zip(after.array, step.means + step.variances) {
        #expect(abs(Double(got) - expected) <= 1e-6 * max(abs(expected), 0.1), "after step \(number + 1)")
      }
      withExtendedLifetime((features, sums)) {}
    }
  }
}
