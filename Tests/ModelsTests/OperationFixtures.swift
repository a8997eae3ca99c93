import Datasets
import Foundation
import Kernels
import Schema
import Synchronization
import Testing

@testable import Models

/// The float64 numbers of Fixtures/operations.py.
struct OperationFixture: Decodable, Sendable, CustomTestStringConvertible {
  struct Array: Decodable, Sendable {
    let shape: [Int]
    let values: [Float]
    let gradient: [Double]
  }

  struct Parameter: Decodable, Sendable {
    let name: String
    /// As PyTorch has it.
    let shape: [Int]
    let values: [Float]
    let gradient: [Double]
  }

  struct Output: Decodable, Sendable {
    let shape: [Int]
    let values: [Double]
    /// What the outputs are multiplied by to give the loss.
    let gradient: [Float]
  }

  struct Tokens: Decodable, Sendable {
    let shape: [Int]
    let values: [Float]
  }

  let name: String
  let examples: Int
  let inputs: [Array]
  /// In place of inputs.
  let ids: Tokens?
  let parameters: [Parameter]
  /// Running averages, with the sums over the examples of what is averaged as gradients; nil if there are none.
  let statistics: [Parameter]?
  /// The examples of each micro-batch, for norms over micro-batches; nil for a case of any micro-batches.
  let microBatches: [Int]?
  let output: Output
  /// The outputs of an evaluation, where they are not those of training.
  let evaluated: [Double]?

  /// The examples of each micro-batch that the numbers are computed from.
  var microBatchRanges: [Range<Int>] {
    var end = 0
    return (microBatches ?? [examples]).map { count in
      end += count
      return end - count..<end
    }
  }

  /// The parameters and the statistics.
  var tensors: [Parameter] { parameters + (statistics ?? []) }

  var testDescription: String { name }

  static let all: [OperationFixture] = {
    let url = Bundle.module.url(forResource: "operations", withExtension: "json", subdirectory: "Fixtures")!
    // swift-format-ignore: NeverUseForceTry
    return try! JSONDecoder().decode([OperationFixture].self, from: Data(contentsOf: url))
  }()
}

/// What a case computes from its inputs.
struct Subject: Sendable {
  /// Where the layers of the function are.
  let layers: any Sendable
  let forward: @Sendable ([Tensor]) -> Tensor

  /// A layer of one input.
  init(_ layer: some Layer) {
    layers = layer
    forward = { layer($0[0]) }
  }

  /// A function without parameters.
  init(_ forward: @escaping @Sendable ([Tensor]) -> Tensor) {
    layers = ()
    self.forward = forward
  }
}

/// A model whose inputs are parameters, so that there are gradients with respect to them. An example's one feature is its
/// number.
struct InputsAsParameters: LayerOfParts {
  let inputs: [BatchInput]
  let subject: Subject
  var parts: [(name: String?, part: Any)] {
    inputs.indices.map { ("input\($0)", inputs[$0]) } + [(nil, subject.layers)]
  }

  func callAsFunction(_ x: Tensor) -> Tensor { subject.forward(inputs.isEmpty ? [x] : inputs.map { $0(x) }) }
}

/// The rows of a parameter, which holds the values of all examples.
struct BatchInput: Layer {
  private let identity = LayerIdentity()
  private let operation: BatchInputOperation

  init(examples: Int, shape: [Int]) { operation = BatchInputOperation(examples: examples, shape: shape) }

  func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

private struct BatchInputOperation: TensorOperation {
  let count: Int
  let examples: Int
  let shape: [Int]

  init(examples: Int, shape: [Int]) {
    (self.examples, self.shape, count) = (examples, shape, shape.reduce(1, *))
  }

  let name = "batch input"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) -> [Int] { shape }
  func parameters(_ inputs: [[Int]]) -> [Parameter] { [Parameter("values", [examples] + shape, initial: .zeros)] }

  private func rows(_ place: Int) -> Range<Int> { place * count..<(place + 1) * count }

  func forward(_ pass: ForwardPass) {
    for example in 0..<pass.examples {
      pass.output[rows(example)].copy(pass.parameter(0)[rows(Int(pass.input(0)[example]))])
    }
  }

  func backward(_ pass: BackwardPass) {
    let numbers = pass.input(0)
    pass.sumMicroBatches(into: pass.parameterGradient(0)) { range, sum in
      sum.fill(0)
      for example in range { sum[rows(Int(numbers[example]))].copy(pass.outputGradient[rows(example)]) }
    }
  }
}

/// The sum of outputs times targets, which notes the outputs.
struct GivenGradient: Loss {
  static let name = "given-gradient"
  static let classifies = false

  private final class Outputs: Sendable {
    let values = Mutex<[Float]>([])
  }
  private let outputs = Outputs()

  let metrics = MetricSchema.loss

  /// The outputs since the last call.
  func takeOutputs() -> [Float] {
    outputs.values.withLock { values in
      defer { values = [] }
      return values
    }
  }

  func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .values(let values) = targets else { preconditionFailure("the gradients are numbers") }
    let own = outputs.readOnly.array
    self.outputs.values.withLock { $0 += own }
    outputs.copy(values.values)
    return Metrics(weight: Double(values.rows), loss: 0)
  }
}
