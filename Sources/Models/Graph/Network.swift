package import Datasets
package import Kernels
internal import Reduction
package import Schema

/// A model that is a layer with a loss: its forward pass is recorded once, and the rest follows from the record.
package struct Network: Model {
  package let graph: Graph
  private let loss: any Loss
  /// The number of targets per example, each with an equal part of the outputs.
  private let positions: Int
  private let training: MemoryPlan
  private let evaluation: MemoryPlan
  /// The most values that a thread holds of an example, with their gradients.
  package var valuesPerExample: Int { max(training.size, evaluation.size) }
  private let finalRanges: FinalRanges
  private let budget: Int

  /// - Parameters:
  ///   - shape: of an example.
  ///   - positions: the number of targets of an example.
  ///   - outputs: how many values the loss needs; nil for any number.
  /// - Throws: ``ModelError`` that names the layer whose input does not fit.
  package init(
    _ model: some Layer, input shape: [Int], outputs: Int? = nil, positions: Int = 1, loss: some Loss
  ) throws {
    try self.init(
      model, input: shape, outputs: outputs, positions: positions, loss: loss, budget: 16 << 20,
      leastReport: FinalRanges.least)
  }

  /// - Parameters:
  ///   - budget: the most memory that several micro-batches, or a part of an evaluation, may take together, in floats.
  ///   - leastReport: the fewest values that are reported before the last ones of a gradient are final.
  init(
    _ model: some Layer, input shape: [Int], outputs: Int? = nil, positions: Int = 1, loss: some Loss, budget: Int,
    leastReport: Int
  ) throws {
    graph = try Graph(model, input: shape)
    let output = graph.values[graph.output]
    if let outputs, output.count != outputs {
      throw ModelError("the model's output is \(output.shape.sizes), and the data need \(outputs) values an example")
    }
    guard graph.needsGradient(graph.output) else { throw ModelError("the model has no parameters") }
    (self.loss, self.positions, self.budget) = (loss, positions, budget)
    training = MemoryPlan(graph, isTraining: true)
    evaluation = MemoryPlan(graph, isTraining: false)
    finalRanges = FinalRanges(graph, least: leastReport)
  }

  /// A line of a listing: an operation, or the layer that it belongs to.
  package struct LayerLine {
    /// Nil if the operation has no parameters.
    package let path: String?
    package let operation: String
    /// Of the output, such as `28×28×32`.
    package let shape: String
    package let parameters: Int
    /// Of an example's forward pass.
    package let multiplyAdds: Int
  }

  /// The operations in the order in which they are computed.
  package var layers: [LayerLine] {
    graph.nodes.map { node in
      LayerLine(
        path: node.path, operation: node.operation.name + (node.activation.map { ", \($0.rawValue)" } ?? ""),
        shape: graph.values[node.output].shape.sizes,
        parameters: node.parameters.map { graph.parameters[$0].range }
          .filter { $0.upperBound <= layout.parameterCount }.reduce(0) { $0 + $1.count },
        multiplyAdds: node.operation.multiplyAdds(node.inputs.map { graph.values[$0].shape }))
    }
  }

  package var layout: ParameterLayout { graph.layout }
  package var leastExamples: Int {
    graph.nodes.map { node in node.operation.leastExamples(node.inputs.map { graph.values[$0].shape }) }.max() ?? 1
  }
  package var metrics: MetricSchema { loss.metrics }

  /// The n-th tensor with random values has the n-th random stream, so its values depend only on the seed, n and its size.
  package func initialize(_ parameters: MutableFloats, seed: UInt64) {
    var stream: UInt64 = 0
    for parameter in graph.parameters {
      let values = parameters[parameter.range]
      let random = Philox(seed: seed, stream: stream)
      if parameter.initial.isRandom { stream += 1 }
      switch parameter.initial {
      case .zeros: values.fill(0)
      case .ones: values.fill(1)
      case .uniform(let bound): random.fillUniform(values, bound: bound)
      case .normal(let deviation):
        random.fillNormal(values)
        for index in values.indices { values[index] *= deviation }
      }
    }
  }

  package func makeWorkspace() -> NetworkRun {
    NetworkRun(graph, training: training, evaluation: evaluation, finalRanges)
  }

  package func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout NetworkRun
  ) -> Metrics {
    pass(over: batch, microBatches: [0..<batch.count], at: parameters, into: gradient, workspace)[0]
  }

  package func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout NetworkRun, scratch: inout ScratchVectors
  ) -> [Metrics] {
    self.gradient(
      of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &workspace, scratch: &scratch
    ) { _, _ in }
  }

  /// Takes as many micro-batches together as fit into the budget, where that needs no sum of whole gradients. Reports
  /// ranges in the backward pass of the last ones.
  package func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout NetworkRun, scratch: inout ScratchVectors, whenFinal: (Range<Int>, [Metrics]) -> Void
  ) -> [Metrics] {
    let together = together(of: microBatches)
    guard together < microBatches.count else {
      return pass(
        over: batch, microBatches: microBatches, at: parameters, into: gradient, workspace, whenFinal: whenFinal)
    }
    let groups = stride(from: 0, to: microBatches.count, by: together)
      .map { $0..<min($0 + together, microBatches.count) }
    let partial = scratch.reserve(treeDepth(groups.count) - 1, of: gradient.count)
    func vector(_ depth: Int) -> MutableFloats { depth == 0 ? gradient : partial[depth - 1].all }
    func add(_ range: Range<Int>, _ depth: Int) {
      accumulate(vector(depth + 1)[range].readOnly, into: vector(depth)[range])
    }
    var metrics: [Metrics] = []
    sumAlongTree(0..<groups.count) { index, depth in
      let own = microBatches[groups[index]]
      let first = own[own.startIndex].lowerBound
      let ranges = own.map { $0.lowerBound - first..<$0.upperBound - first }
      let former = metrics
      metrics += pass(
        over: batch[first..<first + ranges[ranges.count - 1].upperBound], microBatches: ranges, at: parameters,
        into: vector(depth), workspace
      ) { range, last in
        // All sums wait for the last group alone, so that what its pass completes can be added to them at once.
        guard index == groups.count - 1 else { return }
        for depth in (0..<depth).reversed() { add(range, depth) }
        whenFinal(range, former + last)
      }
    } add: { depth in
      if metrics.count < microBatches.count { add(gradient.indices, depth) }
    }
    return metrics
  }

  /// How many micro-batches to compute together: a power of two, so that they are a node of the tree. Gradients of
  /// shared parameters must be complete for each micro-batch before they are summed.
  private func together(of microBatches: [Range<Int>]) -> Int {
    guard !graph.sharesParameters else { return 1 }
    var together = 1
    let largest = microBatches.map(\.count).max() ?? 1
    while together < microBatches.count, 2 * together * largest * training.size <= budget { together *= 2 }
    return together
  }

  private func pass(
    over batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    _ run: NetworkRun, whenFinal: (Range<Int>, [Metrics]) -> Void = { _, _ in }
  ) -> [Metrics] {
    run.forward(batch, at: parameters, training: microBatches)
    let metrics = losses(batch, microBatches, run)
    run.backward(into: gradient) { whenFinal($0, metrics) }
    return metrics
  }

  /// Replaces the output by its gradient.
  func losses(_ batch: Batch, _ microBatches: [Range<Int>], _ run: NetworkRun) -> [Metrics] {
    let outputGradient = run.outputGradient()
    let outputs = graph.values[graph.output].count
    return microBatches.map { rows in
      loss.gradient(
        outputGradient[rows.lowerBound * outputs..<rows.upperBound * outputs], columns: outputs / positions,
        targets: batch[rows].targets)
    }
  }

  /// The most examples whose outputs are computed together, so that they fit into the budget.
  package var mostExamples: Int { max(1, budget / max(evaluation.size, 1)) }

  /// The outputs for `batch`, valid until `workspace` is used again: examples × the output's shape.
  package func outputs(_ batch: Batch, at parameters: Floats, using workspace: NetworkRun) -> Floats {
    workspace.forward(batch, at: parameters)
    return workspace.value(graph.output)
  }

  package func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout NetworkRun) -> Metrics {
    let outputs = graph.values[graph.output].count
    let most = mostExamples
    var total: Metrics?
    for first in stride(from: 0, to: max(batch.count, 1), by: most) {
      let part = batch[first..<min(first + most, batch.count)]
      workspace.forward(part, at: parameters)
      let metrics = loss.gradient(
        workspace.output(graph.output), columns: outputs / positions, targets: part.targets)
      total = total.map { $0 + metrics } ?? metrics
    }
    return total!
  }
}
