internal import Datasets
internal import Kernels
internal import Models
internal import Protocol
internal import Schema

/// Computes gradients of a job's micro-batches.
struct Differentiator<M: Model>: Sendable {
  private let model: M
  private let plan: StepPlan
  private let precision: Precision
  private let seed: UInt64
  private let data: LoadedData
  private let scaling: Scaling

  /// `model` is the task's.
  init(_ model: M, _ task: LoadedTask, _ scaling: Scaling) {
    self.model = model
    (plan, seed, data, self.scaling) = (task.plan, task.seed, task.data, scaling)
    precision = task.precision
  }

  /// One thread's scratch memory.
  struct Scratch {
    var workspace: M.Workspace
    var partialSums = ScratchVectors()
    let train: BatchBuffer
    let heldOut: [HeldOutPart: BatchBuffer]
    var order: (epoch: Int, order: ExampleOrder)?
    /// That of a replica, once this thread has trained one.
    var replica: ReplicaMemory?

    fileprivate init(workspace: M.Workspace, train: BatchBuffer, heldOut: [HeldOutPart: BatchBuffer]) {
      (self.workspace, self.train, self.heldOut) = (workspace, train, heldOut)
    }
  }

  func makeScratch() -> Scratch {
    Scratch(
      workspace: model.makeWorkspace(), train: BatchBuffer(data.train, scaling: scaling),
      heldOut: data.heldOut.mapValues { BatchBuffer($0, scaling: scaling) })
  }

  /// The gradient of `leaves`, summed along the tree, in the job's precision.
  ///
  /// - Parameters:
  ///   - leaves: each leaf's positions in the epoch's order; contiguous.
  ///   - parameters: rounded to the job's precision.
  ///   - rounds: whether the gradient is in the job's precision; else it is in float32, as a replica computes it.
  ///   - whenFinal: called on the calling thread with ranges of `gradient` that are not written any more, each value once,
  ///     and with each leaf's metrics.
  /// - Returns: each leaf's metrics.
  func differentiate(
    _ leaves: [Range<Int>], step: Int, at parameters: Floats, into gradient: MutableFloats, rounds: Bool = true,
    _ scratch: inout Scratch, whenFinal: (Range<Int>, [Metrics]) -> Void = { _, _ in }
  ) -> [Metrics] {
    let epoch = plan.epoch(ofStep: step)
    if scratch.order?.epoch != epoch {
      scratch.order = (epoch, ExampleOrder(count: plan.trainCount, seed: seed, epoch: epoch))
    }
    let order = scratch.order!.order
    let first = leaves[0].lowerBound
    let positions = first..<leaves[leaves.count - 1].upperBound
    let place = Batch.Place(seed: seed, step: step, position: first)
    let batch = scratch.train.gather(positions, place: place) { order[$0] }
    let microBatches = leaves.map { $0.lowerBound - first..<$0.upperBound - first }
    switch rounds ? precision : .float32 {
    case .float32:
      return model.gradient(
        of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &scratch.workspace,
        scratch: &scratch.partialSums, whenFinal: whenFinal)
    case .bf16:
      return model.roundedGradient(
        of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &scratch.workspace,
        scratch: &scratch.partialSums, whenFinal: whenFinal)
    }
  }

  /// ``Numerics/digest(of:_:)`` of the first micro-batch of step 0 at the initial parameters, both in the job's precision.
  /// Computed on the calling thread.
  func digest(using scratch: inout Scratch) -> String {
    let (parameters, gradient) = (FloatBuffer(count: model.layout.count), FloatBuffer(count: model.layout.count))
    model.initialize(parameters.all, seed: seed)
    if precision == .bf16 { roundToBF16(parameters.values, into: parameters.all) }
    let first = plan.positions(of: 0..<1, in: .train(step: 0))
    return withExtendedLifetime((parameters, gradient)) {
      let metrics = differentiate([first], step: 0, at: parameters.values, into: gradient.all, &scratch)
      return Numerics.digest(of: metrics[0], gradient.all)
    }
  }
}
