import Datasets
import Kernels
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Models

/// An operation that shares no storage and is fused with none. It notes what the passes read and write, and finds what
/// was overwritten before its time.
private struct Watched: TensorOperation {
  let operation: any TensorOperation
  let journal: Journal

  /// What the passes over a network have read and written.
  final class Journal: Sendable {
    struct Pass {
      /// By value, as it was computed.
      var outputs: [Int: [Float]] = [:]
      /// By node: the inputs, then the output and what was kept.
      var values: [Int: [[Float]]] = [:]
      /// By value: the gradients of the nodes that read it.
      var gradients: [Int: [[Float]]] = [:]
      var flaws: [String] = []
    }
    let pass = Mutex(Pass())
  }

  var name: String { operation.name }
  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] { try operation.outputShape(inputs) }
  func parameters(_ inputs: [[Int]]) -> [Parameter] { operation.parameters(inputs) }
  func leastExamples(_ inputs: [[Int]]) -> Int { operation.leastExamples(inputs) }
  func keptCount(_ inputs: [[Int]]) -> Int { operation.keptCount(inputs) }

  func forward(_ pass: ForwardPass) {
    let node = pass.run.graph.nodes[pass.node]
    let inputs = (0..<pass.inputCount).map { pass.input($0).array }
    if operation.sharing.isSuperset(of: .view) {
      pass.output.copy(pass.input(0))
    } else {
      operation.forward(pass)
    }
    let output = pass.output.readOnly.array
    let values = (0..<pass.inputCount).map { pass.input($0).array } + [output, pass.kept.readOnly.array]
    journal.pass.withLock { noted in
      for (index, value) in node.inputs.enumerated() {
        if let computed = noted.outputs[value], computed.bits != inputs[index].bits {
          noted.flaws.append("node \(pass.node), \(name): input \(index) was overwritten before it was read")
        }
      }
      noted.outputs[node.output] = output
      noted.values[pass.node] = values
    }
  }

  func backward(_ pass: BackwardPass) {
    let node = pass.run.graph.nodes[pass.node]
    let values = (0..<pass.inputCount).map { pass.input($0).array } + [pass.output.array, pass.kept.array]
    let outputGradient = pass.outputGradient.array
    journal.pass.withLock { noted in
      if noted.values[pass.node]!.map(\.bits) != values.map(\.bits) {
        noted.flaws.append("node \(pass.node), \(name): an input, the output or what was kept was overwritten")
      }
      // The loss gives the last output's.
      if let terms = noted.gradients[node.output] {
        let sum = terms.dropFirst().reduce(terms[0]) { zip($0, $1).map { $0 + $1 } }
        if sum.bits != outputGradient.bits {
          noted.flaws.append("node \(pass.node), \(name): the output's gradient is not the sum of those of its readers")
        }
      }
    }
    if operation.sharing.contains(.gradientIsOutputGradient) {
      for index in 0..<pass.inputCount { pass.inputGradient(index)?.copy(pass.outputGradient) }
    }
    if !operation.sharing.contains(.gradientIsOutputGradient) || !node.parameters.isEmpty { operation.backward(pass) }
    for (index, value) in node.inputs.enumerated() {
      guard let gradient = pass.inputGradient(index)?.readOnly.array else { continue }
      journal.pass.withLock { $0.gradients[value, default: []].append(gradient) }
    }
  }
}

/// A model of random operations on values of 6 × 6, most of which are used several times.
private struct RandomModel: LayerOfParts {
  struct Step {
    /// An operation, and the numbers of the values that it reads; the next operation reads its result.
    var operations: [any TensorOperation]
    var inputs: [Int]
    let identity = LayerIdentity()
  }

  let steps: [Step]
  /// Nil for a model as it is.
  var journal: Watched.Journal?

  var parts: [(name: String?, part: Any)] { steps.enumerated().map { ("\($0)", $1.identity) } }

  init(_ count: Int, using random: inout SeededGenerator) {
    var steps: [Step] = []
    for index in 0..<count {
      // Later values more often.
      func value() -> Int {
        Bool.random(using: &random) ? index : Int.random(in: 0...index, using: &random)
      }
      let operations = Self.operations(&random)
      steps.append(Step(operations: operations.list, inputs: (0..<operations.inputs).map { _ in value() }))
    }
    self.steps = steps
  }

  private static func operations(_ random: inout SeededGenerator) -> (list: [any TensorOperation], inputs: Int) {
    let activation = ActivationOperation(activation: Activation.allCases.randomElement(using: &random)!)
    let windows = Windows(kernel: 3, stride: 1, padding: .same)
    let image = ReshapeOperation(shape: [3, 2, 6])
    let back = ReshapeOperation(shape: [6, 6])
    let linear = LinearOperation(outputs: 6, hasBias: Bool.random(using: &random), initial: .glorot)
    let maxima = PoolingOperation(windows: windows, kind: .maximum)
    let convolution = ConvolutionOperation(
      windows: windows, outputs: 6, groups: [1, 2, 6].randomElement(using: &random)!, hasBias: true, initial: .glorot)
    switch Int.random(in: 0..<26, using: &random) {
    case 0, 1: return ([linear], 1)
    case 2: return ([linear, activation], 1)
    case 3, 4: return ([activation], 1)
    case 5: return ([RowNormOperation(hasMean: true, epsilon: 1e-5)], 1)
    case 6: return ([RowNormOperation(hasMean: false, epsilon: 1e-5)], 1)
    case 7: return ([GroupNormOperation(groups: 2, epsilon: 1e-5)], 1)
    case 23, 24: return ([BatchNormOperation(epsilon: 1e-5)], 1)
    case 8, 9, 10: return ([SumOperation()], 2)
    case 11, 12: return ([ProductOperation()], 2)
    case 13: return ([SoftmaxOperation()], 1)
    case 14: return ([DropoutOperation(rate: 0.25)], 1)
    case 15: return ([ReshapeOperation(shape: [36]), activation, back], 1)
    case 16: return ([PositionOperation(context: 7, deviation: 1)], 1)
    case 17: return ([AttentionOperation(heads: 2, isCausal: Bool.random(using: &random))], 3)
    case 18: return ([image, convolution, activation, maxima, back], 1)
    case 19: return ([TransposeOperation()], 1)
    case 20: return ([TransposeOperation(), activation, TransposeOperation()], 1)
    case 21: return ([MatrixProductOperation()], 2)
    case 22: return ([RotaryOperation(heads: 1, columns: 4, base: 10)], 1)
    default: return ([ConcatenateOperation(), linear], 2)
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    func record(_ operation: any TensorOperation, _ inputs: [Tensor], _ identity: LayerIdentity) -> Tensor {
      let operation = journal.map { Watched(operation: operation, journal: $0) } ?? operation
      let layer = operation.parameters(inputs.map(\.shape)).isEmpty ? nil : identity
      return switch inputs.count {
      case 1: inputs[0].applying(operation, of: layer)
      case 2: inputs[0].applying(operation, to: inputs[1], of: layer)
      default: inputs[0].applying(operation, to: inputs[1], inputs[2], of: layer)
      }
    }
    var values = [x]
    var unused: Set = [0]
    for step in steps {
      var inputs = step.inputs.map { values[$0] }
      for operation in step.operations { inputs = [record(operation, inputs, step.identity)] }
      unused.subtract(step.inputs)
      unused.insert(values.count)
      values.append(inputs[0])
    }
    // Each parameter must be used.
    let last = unused.sorted().map { values[$0] }
    return last.dropFirst().reduce(last[0]) { record(SumOperation(), [$0, $1], LayerIdentity()) }
  }
}

/// A random model of inputs that are parameters, or not.
private struct RandomModelOfInputs: Layer {
  let inputs: BatchInput?
  var model: RandomModel

  func callAsFunction(_ x: Tensor) -> Tensor { model(inputs?(x) ?? x) }
}

@Suite struct MemoryPlanTests {
  @Test(
    "sharing storage and fusing changes no bit of a random model, and nothing is overwritten before its time",
    arguments: 0..<8)
  func sharingChangesNothing(_ part: Int) throws {
    for _ in 0..<30 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var random = SeededGenerator(seed: seed)
      let examples = Int.random(in: 1...5, using: &random)
      let inputs = Bool.random(using: &random) ? BatchInput(examples: examples, shape: [6, 6]) : nil
      var model = RandomModelOfInputs(
        inputs: inputs, model: RandomModel(Int.random(in: 1...16, using: &random), using: &random))
      let shared: Run
      do { shared = try Run(model, examples, seed) } catch let error as ModelError {
        #expect(error.description == "the model has no parameters", "seed \(seed)")
        continue
      }
      let journal = Watched.Journal()
      model.model.journal = journal
      let watched = try Run(model, examples, seed)
      #expect(journal.pass.withLock { $0.flaws } == [], "seed \(seed)")
      #expect(shared.outputs.bits == watched.outputs.bits, "seed \(seed)")
      #expect(shared.evaluated.bits == watched.evaluated.bits, "seed \(seed)")
      #expect(shared.gradient.bits == watched.gradient.bits, "seed \(seed)")
      #expect(shared.size <= watched.size, "seed \(seed)")
    }
  }

  private struct Run {
    let outputs: [Float]
    let gradient: [Float]
    let evaluated: [Float]
    let size: Int

    init(_ model: RandomModelOfInputs, _ examples: Int, _ seed: UInt64) throws {
      let columns = model.inputs == nil ? 36 : 1
      let loss = GivenGradient()
      let network = try Network(model, input: columns == 1 ? [1] : [6, 6], outputs: 36, loss: loss)
      let parameters = FloatBuffer(count: network.layout.count)
      Philox(seed: seed, stream: 1).fillUniform(parameters.all, bound: 1)
      // Variances are positive.
      for tensor in network.layout.tensors where tensor.isStatistic {
        for index in tensor.range { parameters.all[index] = abs(parameters.all[index]) + 0.1 }
      }
      let features = FloatBuffer(count: examples * columns)
      Philox(seed: seed, stream: 2).fillUniform(features.all, bound: 1)
      if columns == 1 { for example in 0..<examples { features.all[example] = Float(example) } }
      let coefficients = FloatBuffer(count: examples * 36)
      Philox(seed: seed, stream: 3).fillUniform(coefficients.all, bound: 1)
      let batch = Batch(
        features: Matrix(features.values, rows: examples, columns: columns),
        targets: .values(Matrix(coefficients.values, rows: examples, columns: 36)),
        place: Batch.Place(seed: seed, step: 3, position: 7))
      let gradient = FloatBuffer(count: parameters.count)
      gradient.all.fill(.nan)
      var workspace = network.makeWorkspace()
      var scratch = ScratchVectors()
      // The last may be empty. One example is enough for a batch norm over six rows.
      let cut = (examples + 1) / 2
      _ = network.gradient(
        of: batch, microBatches: [0..<cut, cut..<examples], at: parameters.values, into: gradient.all,
        using: &workspace, scratch: &scratch)
      (outputs, self.gradient) = (loss.takeOutputs(), gradient.array)
      _ = network.evaluate(batch, at: parameters.values, using: &workspace)
      evaluated = loss.takeOutputs()
      size = MemoryPlan(network.graph, isTraining: true).size
    }
  }
}
