internal import Datasets
internal import Kernels
internal import Models
internal import Wire

/// What a worker computes with, without the kind of model in its type.
protocol WorkerEngine: Sendable {
  var ready: Ready { get }
  var plan: StepPlan { get }
  var chunks: ChunkLayout { get }

  /// Sets a chunk of the parameters. Never while a leaf is being computed: the machine sees to that.
  func store(_ payload: UnsafeRawBufferPointer, chunk: Int)
  /// Computes a leaf on a compute thread.
  func compute(leaf: Int, _ task: StepTask)
  /// Adds `right` to `left` on a compute thread.
  func combine(_ left: Gradient, _ right: Gradient, into parent: Node)
  /// Ends the compute threads, after the leaf that each is at.
  func close()
}

/// What compute threads tell the network thread.
enum WorkerLetter: Sendable {
  case loaded(any WorkerEngine)
  case loadFailed(String)
  case computed(leaf: Int, NodeMetrics, Gradient?)
  case combined(Node, Gradient)
  case interrupted(String)
}

/// Computes the leaves of one job with one model.
final class ModelEngine<M: Model>: WorkerEngine {
  let ready: Ready
  let plan: StepPlan
  let chunks: ChunkLayout
  private let parameters: FloatBuffer
  private let pool: ComputePool<Scratch>
  private let gradients: GradientPool
  private let model: M
  private let seed: UInt64
  private let mailbox: Mailbox<WorkerLetter>

  /// One compute thread's memory.
  struct Scratch {
    var workspace: M.Workspace
    let train: BatchBuffer
    let test: BatchBuffer?
    var order: (epoch: Int, order: ExampleOrder)?
  }

  init(
    _ model: M, _ welcome: Welcome, _ data: LoadedData, threads: Int, mailbox: Mailbox<WorkerLetter>
  ) {
    self.model = model
    self.mailbox = mailbox
    seed = welcome.job.seed
    plan = welcome.job.plan(data)
    ready = Ready(data: data.fingerprint, layout: model.layout)
    chunks = ChunkLayout(parameterCount: model.layout.count, size: welcome.chunkSize)
    parameters = FloatBuffer(count: model.layout.count)
    gradients = GradientPool(parameterCount: model.layout.count)
    let scaling = welcome.scaling
    pool = ComputePool(threads: threads) {
      Scratch(
        workspace: model.makeWorkspace(), train: BatchBuffer(data.train, scaling: scaling),
        test: data.test.map { BatchBuffer($0, scaling: scaling) }, order: nil)
    }
  }

  func store(_ payload: UnsafeRawBufferPointer, chunk: Int) {
    parameters.all[chunks[chunk]].copy(bytes: payload)
  }

  func compute(leaf: Int, _ task: StepTask) {
    pool.add { [self] scratch in
      let start = Instant.now
      let positions = plan.positions(of: leaf..<leaf + 1, in: task)
      let metrics: Metrics
      var gradient: Gradient?
      switch task {
      case .train(let step):
        let leafGradient = gradients.take()
        gradient = leafGradient
        metrics = differentiate(positions, step: step, into: leafGradient, &scratch)
      case .evaluate:
        guard let test = scratch.test else { preconditionFailure("an evaluation without a test part") }
        metrics = model.evaluate(test.gather(positions), at: parameters.values, using: &scratch.workspace)
      }
      let sums = NodeMetrics(
        examples: Int64(positions.count), loss: metrics.loss, correct: Int64(metrics.correct),
        squaredError: metrics.squaredError, computeSeconds: Instant.now.seconds(since: start))
      mailbox.post(.computed(leaf: leaf, sums, gradient))
    }
  }

  private func differentiate(
    _ positions: Range<Int>, step: Int, into gradient: Gradient, _ scratch: inout Scratch
  ) -> Metrics {
    let epoch = plan.epoch(ofStep: step)
    if scratch.order?.epoch != epoch {
      scratch.order = (epoch, ExampleOrder(count: plan.trainCount, seed: seed, epoch: epoch))
    }
    let order = scratch.order!.order
    let place = Batch.Place(seed: seed, step: step, position: positions.lowerBound)
    let batch = scratch.train.gather(positions.lazy.map { order[$0] }, place: place)
    return model.gradient(
      of: batch, at: parameters.values, into: gradient.buffer.all, using: &scratch.workspace, ready: { _ in })
  }

  func combine(_ left: Gradient, _ right: Gradient, into parent: Node) {
    pool.add(urgent: true) { [mailbox] _ in
      accumulate(right.buffer.values, into: left.buffer.all)
      mailbox.post(.combined(parent, left))
    }
  }

  func close() {
    pool.close()
  }
}
