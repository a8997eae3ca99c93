internal import Kernels
package import Schema

/// The operations of a forward pass in the order in which they were recorded. The backward pass is their reverse.
package struct Graph: Sendable {
  /// What the protocol can address.
  static let mostParameters = 1 << 34

  struct Value: Sendable {
    /// Without the batch.
    let shape: [Int]

    var count: Int { shape.reduce(1, *) }
  }

  struct Node: Sendable {
    var operation: any TensorOperation
    /// Indices of values.
    var inputs: [Int]
    /// Indices of parameters.
    var parameters: [Int]
    /// The index of a value.
    var output: Int
    /// The operation's position in the record, before operations were fused.
    var place: Int
    /// The layer's; nil if it has no parameters.
    var path: String?
    /// The activation that the operation applies to its output.
    var activation: Activation?
    /// The activation of the first input, whose derivative the backward pass multiplies the input's gradient by.
    var finishes: InputActivation?
    /// Whether the consumer of the output has multiplied its gradient by the derivative of this node's activation.
    var isFinished = false
  }

  /// An activation that was fused with the operation before it.
  struct InputActivation: Sendable {
    let activation: Activation
    let producer: Int
  }

  struct Parameter: Sendable {
    var range: Range<Int>
    let shape: [Int]
    let initial: Models.Parameter.Initial
  }

  private(set) var values: [Value]
  private(set) var nodes: [Node]
  let parameters: [Parameter]
  package let layout: ParameterLayout
  /// The value that the loss reads.
  let output: Int
  /// Whether a parameter is used by more than one operation.
  let sharesParameters: Bool

  /// Records the forward pass of `model` for inputs of `shape`.
  ///
  /// - Throws: ``ModelError`` that names the layer whose input does not fit.
  package init(_ model: some Layer, input shape: [Int]) throws {
    let recorder = Recorder(try LayerPaths(model))
    let output = model(recorder.input(shape))
    if let error = recorder.error { throw error }
    recorder.finish()
    (values, parameters, layout) = (recorder.values, recorder.parameters, recorder.layout)
    nodes = try Self.used(recorder.nodes, for: output.index)
    self.output = output.index
    var dependent = [Bool](repeating: false, count: values.count)
    for node in nodes {
      dependent[node.output] = !node.parameters.isEmpty || node.inputs.contains { dependent[$0] }
    }
    self.dependent = dependent
    let uses = nodes.flatMap(\.parameters)
    sharesParameters = Set(uses).count < uses.count
    takeMaximaFirst()
    fuseActivations()
    finishInputGradients()
    firstUses = parameters.indices.map { parameter in nodes.firstIndex { $0.parameters.contains(parameter) }! }
    lastUses = parameters.indices.map { parameter in nodes.lastIndex { $0.parameters.contains(parameter) }! }
    haveForward = nodes.map { !$0.operation.sharing.isSuperset(of: .view) }
    haveBackward = nodes.map {
      !$0.operation.sharing.contains(.gradientIsOutputGradient) || !$0.parameters.isEmpty
    }
    keptCounts = nodes.map { node in node.operation.keptCount(node.inputs.map { values[$0].shape }) }
  }

  /// Whether each node's forward pass is called, or its result is a view of its input.
  private(set) var haveForward: [Bool] = []
  /// Whether each node's backward pass is called, or all that it would compute is the output's gradient.
  private(set) var haveBackward: [Bool] = []
  /// How many values of an example each node keeps.
  private(set) var keptCounts: [Int] = []
  /// The first node that uses each parameter, whose backward pass comes last.
  private(set) var firstUses: [Int] = []
  /// The last node that uses each parameter, whose backward pass comes first.
  private(set) var lastUses: [Int] = []

  /// Whether a value depends on a parameter.
  func needsGradient(_ value: Int) -> Bool { dependent[value] }
  private let dependent: [Bool]

  /// The nodes that `output` depends on.
  ///
  /// - Throws: ``ModelError`` if another one has parameters, which could not be learned.
  private static func used(_ nodes: [Node], for output: Int) throws -> [Node] {
    var used = Set([output])
    for node in nodes.reversed() where used.contains(node.output) { used.formUnion(node.inputs) }
    for node in nodes where !used.contains(node.output) && !node.parameters.isEmpty {
      throw ModelError("\(node.path ?? node.operation.name): the model's output does not depend on it")
    }
    return nodes.filter { used.contains($0.output) }
  }

  /// The nodes that read `value`.
  private func consumers(of value: Int) -> [Int] { nodes.indices.filter { nodes[$0].inputs.contains(value) } }

  /// Takes maxima before ReLUs instead of after them, which gives the same values from fewer. Of windows without positive
  /// values, another pixel may be the first maximum; its gradient is zero.
  private mutating func takeMaximaFirst() {
    for index in nodes.indices.dropFirst() {
      guard (nodes[index].operation as? PoolingOperation)?.kind == .maximum,
        let before = nodes.firstIndex(where: { $0.output == nodes[index].inputs[0] }), before == index - 1,
        (nodes[before].operation as? ActivationOperation)?.activation == .relu,
        consumers(of: nodes[before].output) == [index], nodes[before].output != output
      else { continue }
      let (input, middle, result) = (nodes[before].inputs[0], nodes[before].output, nodes[index].output)
      values[middle] = Value(shape: values[result].shape)
      (nodes[index].inputs, nodes[index].output) = ([input], middle)
      (nodes[before].inputs, nodes[before].output) = ([middle], result)
      nodes.swapAt(before, index)
    }
  }

  /// Makes a linear layer or a convolution and the activation after it one operation, which gives the same bits.
  private mutating func fuseActivations() {
    var kept: [Node] = []
    for node in nodes {
      let input = node.inputs[0]
      if let activation = (node.operation as? ActivationOperation)?.activation,
        let last = kept.lastIndex(where: { $0.output == input }), consumers(of: input).count == 1, input != output,
        kept[last].activation == nil, let fusing = kept[last].operation as? any FusesActivation,
        fusing.canFuseActivation
      {
        kept[last].operation = fusing.applying(activation)
        kept[last].activation = activation
        kept[last].output = node.output
      } else {
        kept.append(node)
      }
    }
    nodes = kept
  }

  /// Finds the activations whose derivative the next operation's backward pass multiplies by.
  private mutating func finishInputGradients() {
    for index in nodes.indices {
      let input = nodes[index].inputs[0]
      guard nodes[index].operation is any FinishesInputGradient, consumers(of: input) == [index],
        let producer = nodes.firstIndex(where: { $0.output == input }),
        dependent[nodes[producer].inputs[0]]
          || !nodes[producer].parameters.isEmpty
      else { continue }
      if let activation = nodes[producer].activation {
        nodes[index].finishes = InputActivation(activation: activation, producer: producer)
        nodes[producer].isFinished = true
      } else if var operation = nodes[producer].operation as? ActivationOperation {
        nodes[index].finishes = InputActivation(activation: operation.activation, producer: producer)
        operation.isFinished = true
        nodes[producer].operation = operation
      }
    }
  }
}

/// An operation that can apply an activation to its output, where that is still in the cache.
protocol FusesActivation: TensorOperation {
  /// Whether it can.
  var canFuseActivation: Bool { get }
  /// The same operation with an activation.
  func applying(_ activation: Activation) -> any TensorOperation
}

/// An operation whose backward pass can multiply the first input's gradient by the derivative of the activation that
/// gave the input: ``BackwardPass/inputActivation``.
protocol FinishesInputGradient: TensorOperation {}
