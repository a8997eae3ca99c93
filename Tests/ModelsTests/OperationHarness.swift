import Datasets
import Kernels
import Schema
import Testing

@testable import Models

/// A case's network with the fixture's inputs and parameters.
final class Harness {
  let fixture: OperationFixture
  let network: Network
  let loss: GivenGradient
  let parameters: FloatBuffer
  private let features: FloatBuffer
  private let coefficients: FloatBuffer
  private var workspace: NetworkRun

  /// - Parameters:
  ///   - asParameters: whether inputs are parameters, or else the features of the first input.
  ///   - budget: the network's; 0 for one micro-batch after the other.
  ///   - leastReport: the network's.
  init(
    _ fixture: OperationFixture, _ subject: Subject, asParameters: Bool = true, budget: Int = 16 << 20,
    leastReport: Int = FinalRanges.least
  ) throws {
    self.fixture = fixture
    loss = GivenGradient()
    let inputs =
      fixture.ids == nil && asParameters
      ? fixture.inputs.map { BatchInput(examples: fixture.examples, shape: $0.shape) } : []
    let direct = fixture.ids.map { ($0.shape, $0.values) } ?? fixture.inputs.first.map { ($0.shape, $0.values) }
    features = FloatBuffer(inputs.isEmpty ? direct!.1 : (0..<fixture.examples).map(Float.init))
    coefficients = FloatBuffer(fixture.output.gradient)
    network = try Network(
      InputsAsParameters(inputs: inputs, subject: subject), input: inputs.isEmpty ? direct!.0 : [1],
      outputs: fixture.output.shape.reduce(1, *), loss: loss, budget: budget, leastReport: leastReport)
    workspace = network.makeWorkspace()
    parameters = FloatBuffer(count: network.layout.count)
    for tensor in network.layout.tensors { try load(tensor) }
  }

  private func load(_ tensor: ParameterLayout.Tensor) throws {
    let values = try #require(
      (fixture.tensors.first { $0.name == tensor.name }?.values)
        ?? input(of: tensor.name).map { fixture.inputs[$0].values },
      "PyTorch has no '\(tensor.name)'")
    var saved = 0
    tensor.forEachSaved { index in
      parameters.all[tensor.range.lowerBound + index] = values[saved]
      saved += 1
    }
    #expect(saved == values.count)
  }

  /// Which input the parameter called `name` holds.
  private func input(of name: String) -> Int? { fixture.inputs.indices.first { name == "input\($0).values" } }

  /// The names and shapes in checkpoints of the parameters that are no inputs.
  var savedShapes: [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: network.layout.tensors.filter { input(of: $0.name) == nil }.map { ($0.name, $0.savedShape) }
    )
  }

  /// The part of `gradient` of the parameter called `name`, in the order of checkpoints.
  func part(_ name: String, of gradient: [Float]) throws -> [Float] {
    let tensor = try #require(network.layout.tensors.first { $0.name == name })
    var part: [Float] = []
    tensor.forEachSaved { part.append(gradient[tensor.range.lowerBound + $0]) }
    return part
  }

  /// The micro-batches that the examples may be cut into.
  var cuts: [[Range<Int>]] {
    let (count, least) = (fixture.examples, network.leastExamples)
    let uneven = [0..<0, 0..<least, least..<count, count..<count].filter { $0.upperBound <= count }
    let single = (0..<count).map { $0..<$0 + 1 }
    let cuts = [
      uneven, single + [count..<count], [0..<count - count / 3, count - count / 3..<count], fixture.microBatchRanges,
    ]
    // A batch norm over single pixels needs two examples in each micro-batch.
    return cuts.filter { $0.allSatisfy { $0.isEmpty || $0.count >= least } }
  }

  private var batch: Batch {
    let examples = fixture.examples
    return Batch(
      features: Matrix(features.values, rows: examples, columns: features.count / examples),
      targets: .values(Matrix(coefficients.values, rows: examples, columns: coefficients.count / examples)))
  }

  /// Leaves NaNs in all memory.
  func spoil() {
    let gradient = FloatBuffer(count: parameters.count)
    let all = FloatBuffer(count: parameters.count)
    all.all.fill(.nan)
    _ = network.gradient(of: batch, at: all.values, into: gradient.all, using: &workspace)
    _ = loss.takeOutputs()
  }

  /// The outputs and the gradient of some examples.
  func gradient(of examples: Range<Int>) -> (outputs: [Float], gradient: [Float]) {
    let gradient = FloatBuffer(count: parameters.count)
    gradient.all.fill(.nan)
    _ = network.gradient(of: batch[examples], at: parameters.values, into: gradient.all, using: &workspace)
    return (loss.takeOutputs(), gradient.array)
  }

  func gradient(ofMicroBatches microBatches: [Range<Int>]) -> (outputs: [Float], gradient: [Float]) {
    let gradient = FloatBuffer(count: parameters.count)
    gradient.all.fill(.nan)
    var scratch = ScratchVectors()
    let metrics = network.gradient(
      of: batch, microBatches: microBatches, at: parameters.values, into: gradient.all, using: &workspace,
      scratch: &scratch)
    #expect(metrics.map(\.weight) == microBatches.map { Double($0.count) })
    return (loss.takeOutputs(), gradient.array)
  }

  func reports(ofMicroBatches microBatches: [Range<Int>]) -> FinalReports {
    defer { _ = loss.takeOutputs() }
    return FinalReports(of: network, batch, microBatches, at: parameters, using: &workspace)
  }

  func evaluated(_ examples: Range<Int>) -> [Float] {
    _ = network.evaluate(batch[examples], at: parameters.values, using: &workspace)
    return loss.takeOutputs()
  }
}

extension [Float] {
  var bits: [UInt32] { map(\.bitPattern) }
}
