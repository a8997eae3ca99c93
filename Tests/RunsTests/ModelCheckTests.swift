import Datasets
import Foundation
import Kernels
import Models
import Synchronization
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Runs
@testable import Schema

@Suite struct ModelCheckTests {
  private func problems(_ options: [String: String], models: [ModelFactory] = ModelFactory.builtIn) throws -> [String] {
    var job = JobOptions()
    for (name, value) in options { try job.set(name, to: value) }
    let data = try job.load()
    let prepared = try PreparedJob(job, data, models: models)
    return try ModelCheck(prepared, data, models: models).findings.compactMap { finding in
      finding.problem.map { "\(finding.claim): \($0)" }
    }
  }

  @Test(
    "every built-in model keeps its contract",
    arguments: [
      ["model": "mlp:32,16"], ["model": "mlp:32,16", "activation": "tanh"],
      ["model": "mlp:32,16", "activation": "sigmoid"], ["model": "mlp:32,16", "activation": "gelu"],
      ["model": "mlp:32,16", "dropout": "0.3"], ["model": "mlp:24", "activation": "gelu", "dropout": "0.5"],
      ["model": "mlp:12,9,7", "seed": "3"], ["model": "linear"],
      ["model": "resnet:1,1", "channels": "8,8"], ["model": "resnet", "norm": "batch"],
      ["model": "resnet:1,1,1,1", "channels": "4,4,4,4", "norm": "batch"],
      ["model": "quadratic:7,5", "data": "none"], ["model": "quadratic:3", "data": "none", "micro-batches": "4"],
    ])
  func builtIn(_ options: [String: String]) throws {
    #expect(try problems(options) == [])
  }

  @Test("so they do for a regression", arguments: ["linear", "mlp:8,5"])
  func regression(_ model: String) throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("check-\(UUID()).csv")
    defer { try? FileManager.default.removeItem(at: file) }
    let rows = (0..<40).map { "\($0 % 7),\($0 % 5),\(Double($0 % 11) * 0.7 + Double($0 % 7))" }
    try rows.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
    #expect(try problems(["model": model, "data": file.path]) == [])
  }

  @Test(
    "micro-batches have as many examples as the model needs", arguments: [1, 2, 3, 7, 10],
    [(rows: 12, train: 10), (20, 16), (21, 17), (40, 32)])
  func leastExamples(_ least: Int, _ examples: (rows: Int, train: Int)) throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("check-\(UUID()).csv")
    defer { try? FileManager.default.removeItem(at: file) }
    let rows = (0..<examples.rows).map { "\($0 % 7),\($0 % 5),\(Double($0 % 11) * 0.7)" }
    try rows.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
    let found = try problems(
      ["model": "needy", "data": file.path, "batch-size": "\(examples.train)", "micro-batches": "1"],
      models: [ModelFactory("needy") { try Needy($0, least) }])
    #expect(found == [])
  }

  @Test("each way to break the contract is found and named", arguments: Broken.Fault.allCases)
  func broken(_ fault: Broken.Fault) throws {
    let factory = ModelFactory("broken") { try Broken($0, fault) }
    let found = try problems(["model": "broken"], models: [factory])
    #expect(found.contains { $0.hasPrefix(fault.claim) }, "\(found)")
  }

  @Test func theModelThatTheFaultsArePlantedInIsGood() throws {
    #expect(try problems(["model": "good"], models: [ModelFactory("good") { try Broken($0, nil) }]) == [])
  }
}

/// A linear model that fails a test if a micro-batch has fewer than `leastExamples` examples.
private struct Needy: Model {
  private let network: Network
  let leastExamples: Int
  var layout: ParameterLayout { network.layout }
  var metrics: MetricSchema { network.metrics }

  init(_ request: ModelRequest, _ leastExamples: Int) throws {
    self.leastExamples = leastExamples
    network = try Network(Linear(request.target.outputs), input: request.shape, loss: request.loss)
  }

  func initialize(_ parameters: MutableFloats, seed: UInt64) { network.initialize(parameters, seed: seed) }

  func makeWorkspace() -> NetworkRun { network.makeWorkspace() }

  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout NetworkRun
  ) -> Metrics {
    #expect(batch.count >= leastExamples)
    return network.gradient(of: batch, at: parameters, into: gradient, using: &workspace)
  }

  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout NetworkRun) -> Metrics {
    network.evaluate(batch, at: parameters, using: &workspace)
  }
}

/// Softmax regression with a fault.
struct Broken: Model {
  enum Fault: String, CaseIterable, Sendable {
    case missing, skipsUnwritten, adds, mixes, counts, halfTheGradient, fewSums, noWeight, remembers

    /// How the claim begins that it makes untrue.
    var claim: String {
      switch self {
      case .skipsUnwritten: "every value of the gradient is written"
      case .adds: "the same micro-batches"
      case .mixes: "micro-batches together"
      case .counts, .remembers: "the same micro-batches"
      case .halfTheGradient, .missing: "the gradient is that of the loss"
      case .fewSums, .noWeight: "a weight and the sums of its schema"
      }
    }
  }

  private let perceptron: Network
  private let fault: Fault?
  private let calls = Counter()
  var layout: ParameterLayout { perceptron.layout }
  var metrics: MetricSchema { perceptron.metrics }

  final class Counter: Sendable {
    let count = Atomic<Int>(0)
  }

  init(_ request: ModelRequest, _ fault: Fault?) throws {
    self.fault = fault
    perceptron = try Network(
      MultilayerPerceptron(hidden: [], outputs: request.target.outputs, activation: .relu), input: request.shape,
      loss: request.loss)
  }

  func initialize(_ parameters: MutableFloats, seed: UInt64) { perceptron.initialize(parameters, seed: seed) }

  func makeWorkspace() -> (NetworkRun, last: Float) { (perceptron.makeWorkspace(), 0) }

  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout (NetworkRun, last: Float)
  ) -> Metrics {
    var none = ScratchVectors()
    return self.gradient(
      of: batch, microBatches: [0..<batch.count], at: parameters, into: gradient, using: &workspace, scratch: &none)[0]
  }

  func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout (NetworkRun, last: Float), scratch: inout ScratchVectors
  ) -> [Metrics] {
    let before = gradient[3]
    var metrics = perceptron.gradient(
      of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &workspace.0, scratch: &scratch)
    let whole = gradient.indices
    switch fault {
    case .skipsUnwritten: gradient[3] = before
    case .adds: gradient[3] += before == before ? before : 0
    case .mixes:
      gradient[3] += batch.features.values[batch.features.values.count / 2] + Float(batch.count * batch.count)
    case .counts: gradient[3] += Float(calls.count.add(1, ordering: .relaxed).newValue)
    case .remembers:
      gradient[3] += workspace.last
      workspace.last += 1
    case .halfTheGradient: for index in whole { gradient[index] *= 0.5 }
    case .missing: for index in 0..<10 { gradient[whole.upperBound - 1 - index] = 0 }
    case .fewSums: for index in metrics.indices { metrics[index].sums.removeLast() }
    case .noWeight: metrics[metrics.count - 1].weight = .nan
    case nil: break
    }
    return metrics
  }

  func evaluate(
    _ batch: Batch, at parameters: Floats, using workspace: inout (NetworkRun, last: Float)
  ) -> Metrics {
    perceptron.evaluate(batch, at: parameters, using: &workspace.0)
  }
}
