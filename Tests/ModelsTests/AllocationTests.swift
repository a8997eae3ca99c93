import Datasets
import Kernels
import Schema
import TestSupport
import Testing

@testable import Models

/// Counts what a step of each named model allocates.
@Suite struct AllocationTests {
  static let models: [(name: String, model: any Layer, shape: [Int])] = [
    ("mlp", MultilayerPerceptron(hidden: [20, 10], outputs: 10, activation: .gelu, dropout: 0.2), [64]),
    ("lenet", LeNet(outputs: 10), [28, 28, 1]),
    ("cnn", ConvolutionalNetwork(channels: [4, 8], hidden: [16], outputs: 10), [12, 12, 3]),
    ("resnet", ResidualNetwork(blocks: [1, 2], channels: [8, 16], norm: .group, outputs: 10), [8, 8, 1]),
    ("resnet of batch norm", ResidualNetwork(blocks: [1], channels: [8], norm: .batch, outputs: 10), [8, 8, 1]),
    (
      "transformer",
      Transformer(layers: 2, heads: 2, width: 16, context: 12, tokens: 30, outputs: 30, isTied: false), [12]
    ),
    (
      "tied transformer",
      Transformer(layers: 2, heads: 2, width: 16, context: 12, tokens: 30, outputs: 30, isTied: true), [12]
    ),
  ]

  @Test("forward and backward passes allocate nothing", arguments: models.map(\.name))
  func passes(_ name: String) throws {
    let (_, model, shape) = try #require(Self.models.first { $0.name == name })
    let network = try Network(model, input: shape, loss: .crossEntropy)
    let (examples, count) = (7, shape.reduce(1, *))
    let parameters = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.all, seed: 1)
    let gradient = FloatBuffer(count: network.layout.count)
    let features = FloatBuffer(count: examples * count)
    for index in features.all.indices { features.all[index] = Float(index % 5) }
    let batch = Batch(
      features: Matrix(features.values, rows: examples, columns: count),
      targets: .values(Matrix(features.values[0..<0], rows: 0, columns: 1)))
    let run = network.makeWorkspace()
    let microBatches = [0..<3, 3..<4, 4..<7]
    var reported = 0
    func step() {
      run.forward(batch, at: parameters.values, training: microBatches)
      run.outputGradient().fill(0.1)
      run.backward(into: gradient.all) { reported += $0.count }
    }
    step()
    #expect(Allocation(of: step).blocks == 0)
    #expect(reported == 2 * gradient.count)
    run.forward(batch, at: parameters.values)
    #expect(Allocation { run.forward(batch, at: parameters.values) }.blocks == 0)
    withExtendedLifetime((parameters, gradient, features)) {}
  }
}
