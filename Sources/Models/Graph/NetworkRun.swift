internal import Datasets
internal import Kernels

/// One thread's memory for a graph, and the passes over it. Allocates nothing once it has seen the largest batch.
package final class NetworkRun {
  let graph: Graph
  private let training: MemoryPlan
  private let evaluation: MemoryPlan
  private let finalRanges: FinalRanges
  private var arena = FloatBuffer(count: 0)
  /// What offsets are multiplied by: the examples of the current pass, rounded up so that offsets are those of cache lines.
  private var stride = 0
  var scratch = LayerScratch()
  var partialSums = LayerScratch()
  var jointGradients = LayerScratch()

  // The batch of the current pass.
  private(set) var isTraining = false
  private(set) var examples = 0
  private(set) var microBatches: [Range<Int>] = []
  private(set) var place = Batch.Place(seed: 0, step: 0, position: 0)
  private(set) var parameters: Floats
  var parameterGradients: MutableFloats
  private var features: Floats
  /// For parameters that several operations use: the gradient of one of them.
  private var sharedGradients: [Int: FloatBuffer] = [:]
  private var constants: [Int: FloatBuffer] = [:]
  private let none = FloatBuffer(count: 0)

  init(_ graph: Graph, training: MemoryPlan, evaluation: MemoryPlan, _ finalRanges: FinalRanges) {
    (self.graph, self.training, self.evaluation, self.finalRanges) = (graph, training, evaluation, finalRanges)
    (parameters, parameterGradients, features) = (none.values, none.all, none.values)
    for (index, node) in graph.nodes.enumerated() {
      for parameter in node.parameters where graph.lastUses[parameter] != index {
        sharedGradients[parameter] = FloatBuffer(count: graph.parameters[parameter].range.count)
      }
    }
  }

  private var plan: MemoryPlan { isTraining ? training : evaluation }

  // MARK: Views

  private func storage(_ offset: Int, _ count: Int) -> MutableFloats {
    let start = offset * stride
    return arena.all[start..<start + count * examples]
  }

  func value(_ index: Int) -> Floats {
    plan.values[index] == .input ? features : output(index).readOnly
  }

  /// Value `index`, for the operation that computes it.
  func output(_ index: Int) -> MutableFloats {
    guard case .arena(let offset) = plan.values[index] else { preconditionFailure("value \(index) is not computed") }
    return storage(offset, graph.values[index].count)
  }

  func gradient(_ value: Int) -> MutableFloats {
    guard let offset = plan.gradients[value] else { preconditionFailure("value \(value) has no gradient") }
    return storage(offset, graph.values[value].count)
  }

  func kept(_ node: Int) -> MutableFloats {
    storage(plan.kept[node], graph.keptCounts[node])
  }

  /// Where the backward pass of a node writes the gradient with respect to its parameter `index`.
  func parameterGradient(_ node: Int, _ index: Int) -> MutableFloats {
    let parameter = graph.nodes[node].parameters[index]
    // What a later operation has written stays until this one's is added.
    guard graph.lastUses[parameter] != node else { return parameterGradients[graph.parameters[parameter].range] }
    return sharedGradients[parameter]!.all
  }

  func inputGradient(_ node: Int, _ input: Int) -> MutableFloats? {
    switch plan.inputGradients[node][input] {
    case .none: nil
    case .write(let offset), .add(let offset, _): storage(offset, graph.values[graph.nodes[node].inputs[input]].count)
    case .shared, .copyOutput, .addOutput: nil
    }
  }

  /// A node's constants, which `write` writes at their first use.
  func constants(_ node: Int, count: Int, _ write: (MutableFloats) -> Void) -> Floats {
    if let known = constants[node] { return known.values }
    let new = FloatBuffer(count: count)
    write(new.all)
    constants[node] = new
    return new.values
  }

  // MARK: Passes

  /// Computes the output for `batch`. The batch and the parameters must stay valid until the pass after it.
  func forward(_ batch: Batch, at parameters: Floats, training microBatches: [Range<Int>]? = nil) {
    begin(batch, at: parameters, training: microBatches)
    for node in graph.nodes.indices { forward(node) }
  }

  func begin(_ batch: Batch, at parameters: Floats, training microBatches: [Range<Int>]? = nil) {
    (isTraining, self.microBatches) = (microBatches != nil, microBatches ?? [])
    (examples, place, features) = (batch.count, batch.place, batch.features.values)
    precondition(batch.features.columns == graph.values[0].count, "examples of another size")
    self.parameters = parameters
    reserve()
  }

  func forward(_ node: Int) {
    guard graph.haveForward[node] else { return }
    graph.nodes[node].operation.forward(ForwardPass(run: self, node: node))
  }

  /// The output's gradient, which the loss writes over the output's values.
  func outputGradient() -> MutableFloats {
    let (output, gradient) = (value(graph.output), gradient(graph.output))
    if plan.values[graph.output] != plan.gradients[graph.output].map({ .arena($0) }) { gradient.copy(output) }
    return gradient
  }

  /// Computes the parameters' gradients from that of the output.
  ///
  /// - Parameter whenFinal: called with ranges of `gradients` that are not written any more, together all of them.
  func backward(into gradients: MutableFloats, whenFinal: (Range<Int>) -> Void = { _ in }) {
    parameterGradients = gradients
    for node in graph.nodes.indices.reversed() {
      backward(node)
      for range in finalRanges[node] { whenFinal(range) }
    }
  }

  func backward(_ index: Int) {
    let node = graph.nodes[index]
    guard graph.needsGradient(node.output) else { return }
    if !node.isFinished, let activation = node.activation {
      let gradient = gradient(node.output)
      activationGradient(
        activation, kept: keptOfActivation(activation, index), outputGradients: gradient.readOnly, into: gradient)
    }
    if graph.haveBackward[index] { node.operation.backward(BackwardPass(run: self, node: index)) }
    passOn(index)
  }

  /// Adds what the backward pass of a node has not written to its place.
  private func passOn(_ index: Int) {
    let node = graph.nodes[index]
    for parameter in node.parameters where graph.lastUses[parameter] != index {
      guard let own = sharedGradients[parameter] else { continue }
      accumulate(own.values, into: parameterGradients[graph.parameters[parameter].range])
    }
    for (input, value) in node.inputs.enumerated() {
      let count = graph.values[value].count
      switch plan.inputGradients[index][input] {
      case .none, .write, .shared: break
      case .add(let offset, let target): accumulate(storage(offset, count).readOnly, into: storage(target, count))
      case .copyOutput(let target): storage(target, count).copy(gradient(node.output).readOnly)
      case .addOutput(let target): accumulate(gradient(node.output).readOnly, into: storage(target, count))
      }
    }
  }

  /// What the derivative of a node's activation is computed from.
  func keptOfActivation(_ activation: Activation, _ node: Int) -> Floats {
    guard activation.keepsInput else { return value(graph.nodes[node].output) }
    return graph.nodes[node].operation is ActivationOperation
      ? value(graph.nodes[node].inputs[0]) : kept(node).readOnly
  }

  private func reserve() {
    stride = (examples + 15) / 16 * 16
    guard arena.count < stride * plan.size else { return }
    arena = none
    arena = FloatBuffer(count: stride * plan.size)
  }
}
