public import Datasets
public import Kernels
internal import Reduction

/// A differentiable function of one or more tensors, and of parameters.
///
/// An example's result must not depend on which others are computed with it. In training it may depend on those of its
/// micro-batch, which ``ForwardPass/microBatches`` gives: each micro-batch has the result that it has alone.
public protocol TensorOperation: Sendable {
  /// Its name in errors and listings, such as `conv2d`.
  var name: String { get }

  /// The output's shape for inputs of these shapes, without the batch.
  ///
  /// - Throws: ``ShapeError`` if the inputs do not fit.
  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int]

  /// The parameters for inputs of these shapes, which have passed ``outputShape(_:)``. The default is none.
  func parameters(_ inputs: [[Int]]) -> [Parameter]

  /// How many values of each example the forward pass keeps for the backward pass. The default is none.
  func keptCount(_ inputs: [[Int]]) -> Int

  /// What the backward pass reads of the forward pass. The default is the inputs and the output.
  var backwardReads: BackwardReads { get }

  /// How storage may be shared. The default is not at all.
  var sharing: StorageSharing { get }

  /// The multiply-adds of one example's forward pass, for listings. The default is none.
  func multiplyAdds(_ inputs: [[Int]]) -> Int

  /// The fewest examples that a micro-batch may have in training. The default is 1.
  func leastExamples(_ inputs: [[Int]]) -> Int

  /// Writes the output, and what is kept.
  func forward(_ pass: ForwardPass)

  /// Writes the gradients with respect to the inputs and the parameters, every value of them.
  func backward(_ pass: BackwardPass)
}

/// What an operation's backward pass reads of its forward pass.
public struct BackwardReads: OptionSet, Sendable {
  /// The bits of the members.
  public let rawValue: Int

  /// The members of these bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// All inputs.
  public static let inputs = BackwardReads(rawValue: 1)
  /// The output.
  public static let output = BackwardReads(rawValue: 2)
}

/// How an operation can share storage among its inputs, its output and their gradients.
public struct StorageSharing: OptionSet, Sendable {
  /// The bits of the members.
  public let rawValue: Int

  /// The members of these bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// The output may be written over any input of its size: each value depends on those at its place alone.
  public static let output = StorageSharing(rawValue: 1)
  /// The gradient with respect to the first input may be written over the output's gradient.
  public static let gradient = StorageSharing(rawValue: 2)
  /// The gradient with respect to each input is that of the output. The backward pass is called for parameters alone.
  public static let gradientIsOutputGradient = StorageSharing(rawValue: 4)
  /// The output has the values of the one input in the same order. Neither pass is called.
  public static let view: StorageSharing = [StorageSharing(rawValue: 8), .gradientIsOutputGradient]
}

/// A tensor of parameters that an operation needs.
public struct Parameter: Sendable {
  /// Its name within the layer, such as `weight`.
  public var name: String
  /// Its sizes as stored.
  public var shape: [Int]
  /// The axes of ``shape`` in the order of checkpoints; empty for the same order.
  public var savedAxes: [Int]
  /// Its values before the first step.
  public var initial: Initial
  /// Whether it is no parameter, but an average over the examples of batches. Then the forward pass reads it only in
  /// evaluations, and the backward pass writes, in place of a gradient, the sum over the examples of what is averaged.
  public var isStatistic: Bool

  /// Initial values.
  public enum Initial: Sendable {
    /// All zero.
    case zeros
    /// All one.
    case ones
    /// Uniform in (−bound, bound).
    case uniform(bound: Float)
    /// Normal with mean 0.
    case normal(deviation: Float)

    var isRandom: Bool {
      switch self {
      case .zeros, .ones: false
      case .uniform, .normal: true
      }
    }
  }

  /// The properties describe the parameters.
  public init(
    _ name: String, _ shape: [Int], savedAxes: [Int] = [], initial: Initial, isStatistic: Bool = false
  ) {
    (self.name, self.shape, self.savedAxes) = (name, shape, savedAxes)
    (self.initial, self.isStatistic) = (initial, isStatistic)
  }
}

extension TensorOperation {
  /// Default: no parameters.
  public func parameters(_ inputs: [[Int]]) -> [Parameter] { [] }
  /// Default: nothing is kept.
  public func keptCount(_ inputs: [[Int]]) -> Int { 0 }
  /// Default: the inputs and the output.
  public var backwardReads: BackwardReads { [.inputs, .output] }
  /// Default: nothing.
  public var sharing: StorageSharing { [] }
  /// Default: 1.
  public func leastExamples(_ inputs: [[Int]]) -> Int { 1 }
  /// Default: none.
  public func multiplyAdds(_ inputs: [[Int]]) -> Int { 0 }
}

/// An operation's forward pass over a batch. Views of tensors hold one example after the other.
public struct ForwardPass {
  let run: NetworkRun
  let node: Int

  /// The number of examples.
  public var examples: Int { run.examples }
  /// In training, the ranges of the micro-batches' examples, in order.
  public var microBatches: [Range<Int>] { run.microBatches }
  /// Whether this is a step of training, not an evaluation.
  public var isTraining: Bool { run.isTraining }
  /// The batch's position in the run, which keys random numbers.
  public var place: Batch.Place { run.place }
  /// The operation's position in the record, which keys random numbers too.
  public var operationIndex: Int { run.graph.nodes[node].place }

  /// The number of inputs.
  public var inputCount: Int { run.graph.nodes[node].inputs.count }
  /// Input `index`: examples × its shape.
  public func input(_ index: Int) -> Floats { run.value(run.graph.nodes[node].inputs[index]) }
  /// The shape of input `index`, without the batch.
  public func inputShape(_ index: Int) -> [Int] { run.graph.values[run.graph.nodes[node].inputs[index]].shape }
  /// Parameter `index` of the operation.
  public func parameter(_ index: Int) -> Floats {
    run.parameters[run.graph.parameters[run.graph.nodes[node].parameters[index]].range]
  }
  /// Takes the output: examples × its shape.
  public var output: MutableFloats { run.output(run.graph.nodes[node].output) }
  /// Takes what the backward pass needs: examples × ``TensorOperation/keptCount(_:)``.
  public var kept: MutableFloats { run.kept(node) }
  /// Memory of the calling thread with any content, valid until the pass ends or asks again.
  public func scratch(_ count: Int) -> MutableFloats { run.scratch.reserve(count) }
}

/// An operation's backward pass over a batch of one or more micro-batches.
public struct BackwardPass {
  let run: NetworkRun
  let node: Int

  /// The number of examples.
  public var examples: Int { run.examples }
  /// The ranges of the micro-batches' examples, in order. Parameters' gradients are summed over the examples of each of
  /// them, and those sums along the reduction tree: ``sumMicroBatches(into:_:)`` does the latter.
  public var microBatches: [Range<Int>] { run.microBatches }
  /// The batch's position in the run, which keys random numbers.
  public var place: Batch.Place { run.place }
  /// The operation's position in the record, which keys random numbers too.
  public var operationIndex: Int { run.graph.nodes[node].place }

  /// The number of inputs.
  public var inputCount: Int { run.graph.nodes[node].inputs.count }
  /// Input `index` of the forward pass; only if ``TensorOperation/backwardReads`` says so.
  public func input(_ index: Int) -> Floats { run.value(run.graph.nodes[node].inputs[index]) }
  /// The shape of input `index`, without the batch.
  public func inputShape(_ index: Int) -> [Int] { run.graph.values[run.graph.nodes[node].inputs[index]].shape }
  /// The output of the forward pass; only if ``TensorOperation/backwardReads`` says so.
  public var output: Floats { run.value(run.graph.nodes[node].output) }
  /// What the forward pass kept.
  public var kept: Floats { run.kept(node).readOnly }
  /// Parameter `index` of the operation.
  public func parameter(_ index: Int) -> Floats {
    run.parameters[run.graph.parameters[run.graph.nodes[node].parameters[index]].range]
  }
  /// The gradient with respect to the output: examples × its shape.
  public var outputGradient: Floats { run.gradient(run.graph.nodes[node].output).readOnly }
  /// Takes the gradient with respect to input `index`; nil if nothing needs it.
  public func inputGradient(_ index: Int) -> MutableFloats? { run.inputGradient(node, index) }
  /// Takes the gradient with respect to parameter `index`.
  public func parameterGradient(_ index: Int) -> MutableFloats {
    run.parameterGradient(node, index)
  }
  /// Memory of the calling thread with any content, valid until the pass ends or asks again.
  public func scratch(_ count: Int) -> MutableFloats { run.scratch.reserve(count) }

  /// The activation that gave the first input, if the gradient with respect to that must be multiplied by its
  /// derivative, and what that is computed from.
  var inputActivation: (activation: Activation, kept: Floats)? {
    run.graph.nodes[node].finishes.map { ($0.activation, run.keptOfActivation($0.activation, $0.producer)) }
  }

  /// `total` = the sums of all micro-batches, along the reduction tree.
  ///
  /// - Parameter sum: writes the sum over the examples of a micro-batch.
  public func sumMicroBatches(into total: MutableFloats, _ sum: (Range<Int>, MutableFloats) -> Void) {
    // Sums wait for their right neighbours like the bits of a binary counter: one for each bit of the micro-batches before.
    var sums = WaitingSums(
      total: total, others: run.partialSums.reserve((treeDepth(microBatches.count) - 1) * total.count))
    var done = 0
    for microBatch in microBatches {
      sum(microBatch, sums[sums.count])
      sums.count += 1
      done += 1
      var bits = done
      while bits % 2 == 0 {
        sums.addLast()
        bits /= 2
      }
    }
    while sums.count > 1 { sums.addLast() }
  }
}

/// Sums of micro-batches that are not added to their left neighbours yet.
private struct WaitingSums {
  let total: MutableFloats
  let others: MutableFloats
  var count = 0

  init(total: MutableFloats, others: MutableFloats) { (self.total, self.others) = (total, others) }

  subscript(index: Int) -> MutableFloats {
    index == 0 ? total : others[(index - 1) * total.count..<index * total.count]
  }

  mutating func addLast() {
    accumulate(self[count - 1].readOnly, into: self[count - 2])
    count -= 1

  }
}
