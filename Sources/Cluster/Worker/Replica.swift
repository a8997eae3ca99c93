internal import Kernels
internal import Models
internal import Optimizers
internal import Protocol
internal import Reduction
internal import Schema

/// What a round of local steps starts from: the parts of a vector of ``ChunkLayout``.
struct RoundState {
  /// As they were sent: rounded in a job of bf16.
  let parameters: Floats
  /// The rule's slots, one after the other; rounded too.
  let moments: Floats
  let statistics: Floats
}

/// One replica's memory: its parameters with its statistics before and after a step, its slots, and a gradient.
struct ReplicaMemory {
  let models: [FloatBuffer]
  let moments: FloatBuffer
  let gradient: FloatBuffer

  init(_ chunks: ChunkLayout) {
    models = (0..<2).map { _ in FloatBuffer(count: chunks.modelCount) }
    moments = FloatBuffer(count: chunks.valueCount - chunks.modelCount)
    gradient = FloatBuffer(count: chunks.modelCount)
  }
}

/// Trains one replica for a round: a pure function of the state that the round starts from and of the job.
///
/// In each step the replica sums its share of the step's micro-batches along their own tree, and updates its parameters,
/// slots and statistics by the job's rule, all in float32. The update's number counts all steps of the round, also one
/// in which the replica's examples weigh nothing, which changes nothing.
struct ReplicaTrainer<M: Model>: Sendable {
  let model: M
  let plan: StepPlan
  let chunks: ChunkLayout
  let optimizer: Optimizer
  let differentiator: Differentiator<M>

  /// - Parameters:
  ///   - step: the first of the round.
  ///   - change: as long as the vector of ``chunks``: the replica's examples times start − end, in the job's precision. Of
  ///     a tensor that was not finite in one of the steps, it is NaN, so that the round's sum shows it.
  ///   - isCancelled: asked between steps.
  /// - Returns: each step's metrics; nil if it was cancelled.
  func train(
    _ replica: Int, from step: Int, _ start: RoundStart, _ state: RoundState, into change: MutableFloats,
    _ scratch: inout Differentiator<M>.Scratch, isCancelled: () -> Bool = { false }
  ) -> [NodeMetrics]? {
    let memory = scratch.replica ?? ReplicaMemory(chunks)
    scratch.replica = memory
    let count = chunks.parameterCount
    memory.models[0].all[0..<count].copy(state.parameters)
    memory.models[0].all[count..<chunks.modelCount].copy(state.statistics)
    memory.moments.all.copy(state.moments)
    var optimizer = optimizer
    optimizer.state.updates = start.updates
    optimizer.state.plateau.factor = start.rateFactor
    var (current, all) = (0, [NodeMetrics]())
    for step in step..<plan.stepAfter(step) {
      guard !isCancelled() else { return nil }
      let begin = Instant.now
      var metrics = differentiate(replica, step, at: memory.models[current], into: memory.gradient, &scratch)
      let gradientTensor = metrics.examples > 0 ? flaw(in: memory.gradient) : nil
      if metrics.weight > 0 {
        let next = memory.models[1 - current]
        update(memory, from: memory.models[current], to: next, metrics, isLast: step + 1 == plan.totalSteps, &optimizer)
        current = 1 - current
      } else {
        optimizer.state.updates += 1
      }
      let tensor = gradientTensor ?? flaw(in: memory.models[current])
      if tensor != nil || !metrics.loss.isFinite { metrics.flaw = NodeMetrics.Flaw(leaf: replica, tensor: tensor) }
      metrics.computeSeconds = Instant.now.seconds(since: begin)
      all.append(metrics)
    }
    let weight = Float(plan.averageWeight(of: replica..<replica + 1, in: .train(step: step)))
    write(state, memory.models[current], memory.moments, weight: weight, into: change)
    if let last = all.indices.last, all.allSatisfy({ $0.flaw == nil }),
      let tensor = model.layout.lastNonFiniteTensor(in: change.readOnly, chunks)
    {
      all[last].flaw = NodeMetrics.Flaw(leaf: replica, tensor: tensor)
    }
    for tensor in all.compactMap({ $0.flaw?.tensor }) {
      for index in model.layout.tensors[tensor].range { change[index] = .nan }
    }
    return all
  }

  private func flaw(in values: FloatBuffer) -> Int? { model.layout.lastNonFiniteTensor(in: values.values) }

  /// The gradient and the metrics of the replica's share of a step; no examples if the step has too few.
  private func differentiate(
    _ replica: Int, _ step: Int, at parameters: FloatBuffer, into gradient: FloatBuffer,
    _ scratch: inout Differentiator<M>.Scratch
  ) -> NodeMetrics {
    let leaves = plan.microBatches(ofLeaves: replica..<replica + 1, inStep: step).map {
      plan.positions(of: $0..<$0 + 1, in: .train(step: step))
    }
    guard !leaves.isEmpty else {
      return NodeMetrics(examples: 0, weight: 0, sums: model.metrics.sums.map { _ in 0 })
    }
    let metrics = differentiator.differentiate(
      leaves, step: step, at: parameters.values, into: gradient.all, rounds: false, &scratch)
    return sum(metrics, of: leaves)
  }

  /// One update of the parameters, slots and statistics.
  private func update(
    _ memory: ReplicaMemory, from before: FloatBuffer, to after: FloatBuffer, _ metrics: NodeMetrics, isLast: Bool,
    _ optimizer: inout Optimizer
  ) {
    let (parameters, statistics) = (0..<chunks.parameterCount, chunks.parameterCount..<chunks.modelCount)
    let slots = stride(from: 0, to: memory.moments.count, by: chunks.parameterCount).map {
      memory.moments.all[$0..<$0 + chunks.parameterCount]
    }
    let part = Optimizer.Part(
      start: 0, parameters: before.values[parameters], gradientSum: memory.gradient.values[parameters], slots: slots,
      updated: after.all[parameters])
    optimizer.begin(weight: metrics.weight, isLast: isLast, optimizer.needsWholeGradient ? [part] : [])
    optimizer.update(part)
    runningAverages(
      before.values[statistics], memory.gradient.values[statistics], examples: Int(metrics.examples),
      into: after.all[statistics])
  }

  private func write(
    _ state: RoundState, _ model: FloatBuffer, _ moments: FloatBuffer, weight: Float, into change: MutableFloats
  ) {
    let (count, end) = (chunks.parameterCount, chunks.modelCount)
    scaledDifference(state.parameters, model.values[0..<count], weight: weight, into: change[0..<count])
    scaledDifference(state.statistics, model.values[count..<end], weight: weight, into: change[count..<end])
    let slots = change[end..<change.count]
    scaledDifference(state.moments, moments.values, weight: weight, into: slots)
    guard chunks.precision == .bf16 else { return }
    roundToBF16(change.readOnly[0..<count], into: change[0..<count])
    roundToBF16(slots.readOnly, into: slots)
  }
}

/// The sum of several leaves' metrics along their tree; `leaves` has each one's positions.
func sum(_ metrics: [Metrics], of leaves: [Range<Int>]) -> NodeMetrics {
  let first = NodeMetrics(examples: leaves[0].count, metrics[0])
  var sums = Array(repeating: first, count: treeDepth(leaves.count))
  sumAlongTree(0..<leaves.count) { leaf, depth in
    sums[depth] = NodeMetrics(examples: leaves[leaf].count, metrics[leaf])
  } add: { depth in
    sums[depth] = sums[depth] + sums[depth + 1]
  }
  return sums[0]
}

extension ParameterLayout {
  /// The index of the last tensor with a value that is not finite, in a vector of `chunks`; nil if there is none.
  func lastNonFiniteTensor(in values: Floats, _ chunks: ChunkLayout) -> Int? {
    values.areFinite ? nil : lastNonFiniteTensor(in: values, chunks, chunks.indices)
  }

  /// The same in these chunks alone.
  func lastNonFiniteTensor(in values: Floats, _ chunks: ChunkLayout, _ indices: some Sequence<Int>) -> Int? {
    indices.compactMap { chunk in
      lastNonFiniteTensor(in: values[chunks[chunk]], from: chunks.modelRange(chunk).lowerBound)
    }.max()
  }
}
