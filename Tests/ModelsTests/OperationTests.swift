import Datasets
import Kernels
import Schema
import Testing

@testable import Models

/// The sum along the reduction tree: nodes split at the largest power of two below their count.
private func treeSum(_ terms: ArraySlice<[Float]>) -> [Float] {
  guard terms.count > 1 else { return terms.first! }
  var half = 1
  while 2 * half < terms.count { half *= 2 }
  return zip(treeSum(terms.prefix(half)), treeSum(terms.dropFirst(half))).map { $0 + $1 }
}

@Suite struct OperationTests {
  /// The largest error, relative to the largest magnitude of the array.
  private static let tolerance = 2e-6

  @Test("each case of the script has a layer, and each layer a case")
  func sameCases() {
    #expect(Set(OperationFixture.all.map(\.name)) == Set(OperationCases.all.keys))
    #expect(OperationFixture.all.count == OperationCases.all.count)
  }

  @Test("outputs, gradients, names and orientations are PyTorch's", arguments: OperationFixture.all)
  func agreesWithPyTorch(_ fixture: OperationFixture) throws {
    let harness = try Harness(fixture, #require(OperationCases.all[fixture.name]))
    #expect(
      harness.savedShapes == Dictionary(uniqueKeysWithValues: fixture.tensors.map { ($0.name, $0.shape) }))
    harness.spoil()
    let (outputs, gradient) = harness.gradient(ofMicroBatches: fixture.microBatchRanges)
    try expect(outputs, fixture.output.values, "the output")
    try expect(
      harness.evaluated(0..<fixture.examples), fixture.evaluated ?? fixture.output.values, "the output in evaluations")
    let gradients = fixture.inputs.map(\.gradient) + fixture.parameters.map(\.gradient)
    let most = gradients.joined().map(abs).max() ?? 0
    for (index, input) in fixture.inputs.enumerated() {
      try expect(
        harness.part("input\(index).values", of: gradient), input.gradient, "the gradient of input \(index)", most)
    }
    for parameter in fixture.parameters {
      try expect(
        harness.part(parameter.name, of: gradient), parameter.gradient, "the gradient of \(parameter.name)", most)
    }
    for statistic in fixture.statistics ?? [] {
      try expect(harness.part(statistic.name, of: gradient), statistic.gradient, "the sums for \(statistic.name)")
    }
  }

  /// - Parameter most: the largest gradient of the case, whose tenth stands for the magnitude of an array that is zero but
  ///   for rounding, such as the gradient of a bias before a softmax.
  private func expect(_ got: [Float], _ expected: [Double], _ what: String, _ most: Double = 0) throws {
    try #require(got.count == expected.count, "\(what)")
    let own = expected.lazy.map(abs).max() ?? 0
    let largest = own > 1e-12 ? own : 0.1 * most
    var (worst, place) = (0.0, 0)
    for index in got.indices where !worst.isNaN {
      let error = abs(Double(got[index]) - expected[index])
      if error > worst || error.isNaN { (worst, place) = (error, index) }
    }
    #expect(
      worst <= Self.tolerance * largest,
      "\(what), value \(place): \(got[place]) for \(expected[place]); the largest is \(largest)")
  }

  @Test("micro-batches, an empty one too, are summed along the tree, bit for bit", arguments: OperationFixture.all)
  func microBatches(_ fixture: OperationFixture) throws {
    let harness = try Harness(fixture, #require(OperationCases.all[fixture.name]))
    #expect(harness.cuts.count >= 2)
    for microBatches in harness.cuts {
      let together = harness.gradient(ofMicroBatches: microBatches)
      let alone = microBatches.map { harness.gradient(of: $0) }
      #expect(together.gradient.bits == treeSum(alone.map(\.gradient)[...]).bits, "\(microBatches)")
      #expect(together.outputs.bits == alone.flatMap(\.outputs).bits, "\(microBatches)")
    }
  }

  @Test("an example's output does not depend on the others, bit for bit", arguments: OperationFixture.all)
  func examplesAlone(_ fixture: OperationFixture) throws {
    let harness = try Harness(fixture, #require(OperationCases.all[fixture.name]))
    let together = harness.evaluated(0..<fixture.examples)
    let alone = (0..<fixture.examples).flatMap { harness.evaluated($0..<$0 + 1) }
    #expect(alone.bits == together.bits)
    // In training, a batch norm's output depends on all examples of its micro-batch.
    if fixture.statistics == nil {
      #expect(harness.gradient(of: 0..<fixture.examples).outputs.bits == together.bits, "training")
    }
    #expect(harness.evaluated(0..<0).isEmpty)
  }

  @Test(
    "without gradients of inputs, those of parameters have the same bits",
    arguments: OperationFixture.all.filter { $0.inputs.count == 1 && !$0.parameters.isEmpty })
  func inputsWithoutGradient(_ fixture: OperationFixture) throws {
    let subject = try #require(OperationCases.all[fixture.name])
    let with = try Harness(fixture, subject)
    let without = try Harness(fixture, subject, asParameters: false)
    let examples = 0..<fixture.examples
    let (expected, got) = (with.gradient(of: examples), without.gradient(of: examples))
    #expect(got.outputs.bits == expected.outputs.bits)
    for parameter in fixture.tensors {
      #expect(
        try without.part(parameter.name, of: got.gradient).bits
          == with.part(parameter.name, of: expected.gradient).bits, "\(parameter.name)")
    }
  }
}

/// A network that leaves summing micro-batches to the default.
private struct OneByOne: Model {
  let network: Network
  var layout: ParameterLayout { network.layout }

  func initialize(_ parameters: MutableFloats, seed: UInt64) { network.initialize(parameters, seed: seed) }
  func makeWorkspace() -> NetworkRun { network.makeWorkspace() }

  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout NetworkRun
  ) -> Metrics { network.gradient(of: batch, at: parameters, into: gradient, using: &workspace) }

  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout NetworkRun) -> Metrics {
    network.evaluate(batch, at: parameters, using: &workspace)
  }
}

@Suite struct LargeMicroBatchTests {
  @Test(
    "micro-batches that do not fit into memory together are summed to the same bits")
  func largeMicroBatches() throws {
    // Two micro-batches of up to 256 examples fit together.
    let width = 1 << 14
    let network = try Network(LearnedPositions(1), input: [1, width], loss: .meanSquaredError)
    let microBatches = [0..<1, 1..<1, 1..<257, 257..<258, 258..<260]
    let examples = 260
    let seed = UInt64.random(in: 0...UInt64.max)
    let (features, targets) = (FloatBuffer(count: examples * width), FloatBuffer(count: examples * width))
    Philox(seed: seed, stream: 1).fillUniform(features.all, bound: 1)
    Philox(seed: seed, stream: 2).fillUniform(targets.all, bound: 1)
    let batch = Batch(
      features: Matrix(features.values, rows: examples, columns: width),
      targets: .values(Matrix(targets.values, rows: examples, columns: width)))
    let parameters = FloatBuffer(count: width)
    network.initialize(parameters.all, seed: seed)

    func sum(_ model: some Model<NetworkRun>) -> (gradient: [UInt32], metrics: [Metrics]) {
      let gradient = FloatBuffer(count: width)
      gradient.all.fill(.nan)
      var workspace = model.makeWorkspace()
      var scratch = ScratchVectors()
      let metrics = model.gradient(
        of: batch, microBatches: microBatches, at: parameters.values, into: gradient.all, using: &workspace,
        scratch: &scratch)
      return (gradient.array.bits, metrics)
    }
    let (together, oneByOne) = (sum(network), sum(OneByOne(network: network)))
    #expect(together.gradient == oneByOne.gradient, "seed \(seed)")
    #expect(together.metrics == oneByOne.metrics, "seed \(seed)")
  }

  @Test("examples that do not fit into memory together are evaluated in parts, to the same outputs")
  func largeEvaluation() throws {
    // 512 examples of 32,768 values and more fit.
    let loss = GivenGradient()
    let network = try Network(
      Sequential {
        Linear(1 << 15)
        ReLU()
        Linear(1)
      }, input: [1], loss: loss)
    let examples = 700
    let seed = UInt64.random(in: 0...UInt64.max)
    let parameters = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.all, seed: seed)
    let (features, targets) = (FloatBuffer(count: examples), FloatBuffer(count: examples))
    Philox(seed: seed, stream: 1).fillUniform(features.all, bound: 1)
    let batch = Batch(
      features: Matrix(features.values, rows: examples, columns: 1),
      targets: .values(Matrix(targets.values, rows: examples, columns: 1)))
    var workspace = network.makeWorkspace()
    let metrics = network.evaluate(batch, at: parameters.values, using: &workspace)
    #expect(metrics.weight == Double(examples))
    let together = loss.takeOutputs()
    _ = network.evaluate(batch[0..<350], at: parameters.values, using: &workspace)
    _ = network.evaluate(batch[350..<examples], at: parameters.values, using: &workspace)
    #expect(loss.takeOutputs().bits == together.bits, "seed \(seed)")
  }
}
