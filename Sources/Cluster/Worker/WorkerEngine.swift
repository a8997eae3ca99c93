package import Datasets
internal import Kernels
package import Models
package import Optimizers
package import Protocol
internal import Reduction
internal import Schema
internal import Synchronization
internal import ZeroMQ

/// A worker's computing, independent of the model's type.
protocol WorkerEngine: Sendable {
  var ready: Ready { get }
  var plan: StepPlan { get }
  var chunks: ChunkLayout { get }
  var onNonFinite: NonFinitePolicy { get }

  /// Opens the coordinator's shared parameters if possible; returns the name of the shared gradients, or nil.
  func shareMemory(_ name: SharedVectorsName?) -> SharedVectorsName?
  /// Sets a chunk of the parameters of `step`, which was sent in `element`. Never called while a node of that step is
  /// computed.
  func store(_ payload: Payload, chunk: Int, step: Int, _ element: ElementKind)
  /// The frame that a chunk of parameters came in, or one with its values in the coordinator's shared memory.
  func message(of payload: Payload, chunk: Int, _ element: ElementKind) -> Message
  /// Values in a chunk of vector `index` of the coordinator's shared memory; 0 if there is none.
  func valueCount(shared index: Int, _ chunk: UInt32) -> Int
  /// The index of a gradient in shared memory; nil if it is elsewhere.
  func sharedIndex(of gradient: Gradient) -> Int?
  /// Queues computing a node's leaves and their sum.
  ///
  /// - Parameters:
  ///   - start: what a round of local steps begins with; nil for other tasks.
  ///   - reportsChunks: whether to say of chunks of a step's gradient that they are final, before the whole is.
  func compute(_ node: Node, _ task: StepTask, _ start: RoundStart?, reportsChunks: Bool)
  /// Queues adding chunks of `right` to `left`.
  func combine(_ left: Gradient, _ right: Gradient, _ chunks: [Int], into parent: Node)
  /// Does some queued work on the calling thread if it takes little time.
  ///
  /// - Returns: whether it did.
  func help() -> Bool
  /// Queued work is answered without being computed.
  func cancel()
  /// Ends the compute threads after their current pieces.
  func close()
}

/// Notices from compute threads and others to the network thread.
enum WorkerNotice: Sendable {
  case loaded(any WorkerEngine)
  case loadFailed(String)
  case final(Node, Gradient, chunks: [Int], weight: Double)
  case computed(Node, [NodeMetrics], Gradient?)
  case combined(Node, chunks: [Int], nonFinite: Int?)
  case interrupted(String)
  case handshakeFailed(String)
}

/// A job with its data loaded and its model made.
package struct LoadedTask: Sendable {
  package var model: any Model
  package var data: LoadedData
  package var plan: StepPlan
  /// The job's seed.
  package var seed: UInt64
  package var precision: Precision
  /// Whether evaluations read averages of the parameters.
  package var isAveraged: Bool
  /// What replicas take their local steps with; nil without local steps.
  package var optimizer: Optimizer?

  package init(
    model: any Model, data: LoadedData, plan: StepPlan, seed: UInt64, precision: Precision = .float32,
    isAveraged: Bool = false, optimizer: Optimizer? = nil
  ) {
    precondition((optimizer == nil) == (plan.local == nil), "local steps need an optimizer, and nothing else does")
    (self.model, self.data, self.plan, self.seed, self.precision) = (model, data, plan, seed, precision)
    (self.isAveraged, self.optimizer) = (isAveraged, optimizer)
  }
}

/// The engine for `task`; it posts its results to `mailbox`.
func makeEngine(
  _ task: LoadedTask, _ welcome: Welcome, threads: Int, mailbox: Mailbox<WorkerNotice>, _ timeline: Timeline? = nil
) throws -> any WorkerEngine {
  guard welcome.chunkSize > 0, welcome.scaling.offset.count == task.data.featureCount,
    welcome.scaling.factor.count == task.data.featureCount
  else { throw TrainingError("the coordinator's scaling or chunk size does not fit \(task.data.selection.data)") }
  func engine<M: Model>(_ model: M) -> any WorkerEngine {
    ModelEngine(model, task, welcome, threads: threads, mailbox: mailbox, timeline)
  }
  return engine(task.model)
}

/// The longest work that the network thread may do itself: short compared with any timeout.
private let shortNanoseconds = 100_000_000

/// Computes nodes of one job with one model.
final class ModelEngine<M: Model>: WorkerEngine, @unchecked Sendable {
  // Sendable: only the network thread changes state, and a step's parameters only while no node of it is computed.
  let ready: Ready
  let plan: StepPlan
  let chunks: ChunkLayout
  let onNonFinite: NonFinitePolicy
  /// The vectors of ``HeldParameters``, in the coordinator's shared memory or ``received`` ones, by what they were sent
  /// in; empty at first.
  private var parameters: [ElementKind: [FloatBuffer]] = [:]
  /// Parameters received over the socket.
  private var received: [ElementKind: [FloatBuffer]] = [:]
  private var sharedParameters: SharedVectors?
  private var sharedGradients: SharedVectors?
  private let pool: ComputePool<Differentiator<M>.Scratch>
  private let gradients: GradientPool
  private let model: M
  private let differentiator: Differentiator<M>
  /// Nil without local steps.
  private let trainer: ReplicaTrainer<M>?
  private let mailbox: Mailbox<WorkerNotice>
  private let timeline: Timeline?
  private let cancellations = Atomic<Int>(0)
  /// Nanoseconds a leaf of the last node, in training and in evaluations.
  private let trainNanoseconds = Atomic<Int>(.max)
  private let evaluationNanoseconds = Atomic<Int>(.max)
  /// Whether the last queued work is short. Used by the network thread only.
  private var isShort = false

  /// Computes the digest on the calling thread, then starts the compute threads.
  init(
    _ model: M, _ task: LoadedTask, _ welcome: Welcome, threads: Int, mailbox: Mailbox<WorkerNotice>,
    _ timeline: Timeline?
  ) {
    (self.model, self.timeline, self.mailbox) = (model, timeline, mailbox)
    (plan, onNonFinite) = (task.plan, welcome.onNonFinite)
    let differentiator = Differentiator(
      model, task, Scaling(offset: welcome.scaling.offset, factor: welcome.scaling.factor))
    self.differentiator = differentiator
    var scratch = differentiator.makeScratch()
    ready = Ready(
      data: task.data.fingerprint, layout: model.layout,
      numerics: .here(digest: differentiator.digest(using: &scratch)))
    let chunks = ChunkLayout(
      model.layout, moments: task.optimizer?.slots.count, size: welcome.chunkSize, precision: task.precision,
      isAveraged: task.isAveraged)
    self.chunks = chunks
    trainer = task.optimizer.map { [plan] in
      ReplicaTrainer(model: model, plan: plan, chunks: chunks, optimizer: $0, differentiator: differentiator)
    }
    gradients = GradientPool(count: chunks.valueCount)
    pool = ComputePool(threads: threads, first: scratch) { differentiator.makeScratch() }
  }

  func shareMemory(_ name: SharedVectorsName?) -> SharedVectorsName? {
    sharedParameters = name.flatMap { $0.count == chunks.valueCount ? SharedVectors($0, isWritable: false) : nil }
    sharedGradients = sharedParameters == nil ? nil : gradients.makeShared()
    return sharedGradients?.name
  }

  func store(_ payload: Payload, chunk: Int, step: Int, _ element: ElementKind) {
    let vector = HeldParameters.vector(ofRound: plan.round(atStep: step))
    func vectors(_ count: Int) -> [FloatBuffer] {
      (0..<HeldParameters.vectorCount).map { _ in FloatBuffer(count: count) }
    }
    switch payload {
    case .frame(let message):
      let own = received[element] ?? vectors(chunks.valueCount)
      received[element] = own
      parameters[element, default: own][vector] = own[vector]
      switch element {
      case .float32, .average: own[vector].all[chunks[chunk]].copy(bytes: message.bytes)
      case .bf16: unpackBF16(message.bytes, into: own[vector].all[chunks[chunk]])
      }
    case .shared(let index):
      guard let sharedParameters else { preconditionFailure("nothing is shared, so nothing has a size there") }
      parameters[element, default: vectors(0)][vector] = sharedParameters[index]
    }
  }

  func message(of payload: Payload, chunk: Int, _ element: ElementKind) -> Message {
    switch payload {
    case .frame(let message): return message
    case .shared(let index):
      guard let sharedParameters else { preconditionFailure("nothing is shared, so nothing has a size there") }
      let values = sharedParameters[index].values[chunks[chunk]]
      return element == .bf16 ? Message(packing: values) : Message(copying: values.bytes)
    }
  }

  /// What `task` computes with, of those that were sent in `element`.
  private func parameters(for task: StepTask, _ element: ElementKind) -> FloatBuffer {
    guard let vectors = parameters[element] else { preconditionFailure("a task without parameters") }
    return vectors[HeldParameters.vector(ofRound: plan.round(atStep: task.step))]
  }

  func valueCount(shared index: Int, _ chunk: UInt32) -> Int {
    guard let sharedParameters, index < sharedParameters.name.vectors, chunk < chunks.count else { return 0 }
    return chunks[Int(chunk)].count
  }

  func sharedIndex(of gradient: Gradient) -> Int? { sharedGradients?.index(of: gradient.buffer) }

  func compute(_ node: Node, _ task: StepTask, _ start: RoundStart?, reportsChunks: Bool) {
    let asked = cancellations.load(ordering: .relaxed)
    let usual =
      task.isTraining ? trainNanoseconds.load(ordering: .relaxed) : evaluationNanoseconds.load(ordering: .relaxed)
    isShort = usual < shortNanoseconds / node.leaves.count
    let parameters = parameters(for: task, chunks.element(0, for: task.kind))
    let statistics =
      start != nil && chunks.modelCount > chunks.parameterCount ? self.parameters(for: task, .float32) : nil
    pool.add(willHelp: isShort) { [self] scratch in
      func isCancelled() -> Bool { asked != cancellations.load(ordering: .relaxed) }
      let begin = Instant.now
      var result: ([NodeMetrics], Gradient?)?
      if let start, !isCancelled() {
        result = train(node, task.step, start, parameters, statistics, &scratch, isCancelled: isCancelled)
      } else if !isCancelled() {
        result = compute(node, task, at: parameters, reportsChunks: reportsChunks, &scratch)
      }
      guard let (metrics, gradient) = result else {
        mailbox.post(.computed(node, [NodeMetrics(examples: 0, weight: 0, sums: [0])], nil))
        return
      }
      let end = Instant.now
      timeline?.record(.compute, from: begin, to: end, step: task.step, leaves: node.leaves)
      let aLeaf = Int(end.nanoseconds - begin.nanoseconds) / node.leaves.count
      if task.isTraining {
        trainNanoseconds.store(aLeaf, ordering: .relaxed)
      } else {
        evaluationNanoseconds.store(aLeaf, ordering: .relaxed)
      }
      mailbox.post(.computed(node, metrics, gradient))
    }
  }

  /// The gradient and the metrics of a node of a step, or the metrics of a node of an evaluation.
  private func compute(
    _ node: Node, _ task: StepTask, at parameters: FloatBuffer, reportsChunks: Bool,
    _ scratch: inout Differentiator<M>.Scratch
  ) -> ([NodeMetrics], Gradient?) {
    let start = Instant.now
    let leaves = node.leaves.map { plan.positions(of: $0..<$0 + 1, in: task) }
    let metrics: [Metrics]
    var gradient: Gradient?
    var checked: Set<Int> = []
    switch task {
    case .train(let step):
      let own = gradients.take()
      gradient = own
      var final = reportsChunks ? FinalChunks(chunks) : nil
      metrics = differentiator.differentiate(
        leaves, step: step, at: parameters.values, into: own.buffer.all, &scratch
      ) { range, metrics in
        guard range.count < chunks.valueCount, let new = final?.add(range) else { return }
        let finite = new.filter { own.buffer.values[chunks[$0]].areFinite }
        let total = sum(metrics, of: leaves)
        guard !finite.isEmpty, total.loss.isFinite else { return }
        checked.formUnion(finite)
        mailbox.post(.final(node, own, chunks: finite, weight: total.weight))
      }
    case .evaluate(_, let part):
      guard let examples = scratch.heldOut[part] else { preconditionFailure("an evaluation without a \(part) part") }
      metrics = leaves.map {
        model.evaluate(
          examples.gather($0), at: parameters.values[0..<chunks.modelCount], using: &scratch.workspace)
      }
    }
    var sums = sum(metrics, of: leaves)
    if let gradient {
      let tensor = ready.layout.lastNonFiniteTensor(
        in: gradient.buffer.values, chunks, chunks.indices.filter { !checked.contains($0) })
      if tensor != nil || !sums.loss.isFinite {
        sums.flaw = flaw(of: node, task.step, sumTensor: tensor, leaves, at: parameters, &scratch)
      }
    }
    sums.computeSeconds = Instant.now.seconds(since: start)
    return ([sums], gradient)
  }

  /// The change of one replica, and the metrics of each of its steps; nil if it was cancelled.
  private func train(
    _ node: Node, _ step: Int, _ start: RoundStart, _ parameters: FloatBuffer, _ statistics: FloatBuffer?,
    _ scratch: inout Differentiator<M>.Scratch, isCancelled: () -> Bool
  ) -> ([NodeMetrics], Gradient?)? {
    guard let trainer, node.leaves.count == 1 else { preconditionFailure("a thread trains one replica at a time") }
    let change = gradients.take()
    let (count, end) = (chunks.parameterCount, chunks.modelCount)
    let state = RoundState(
      parameters: parameters.values[0..<count], moments: parameters.values[end..<chunks.valueCount],
      statistics: (statistics ?? parameters).values[count..<end])
    return withExtendedLifetime((parameters, statistics)) {
      trainer.train(
        node.start, from: step, start, state, into: change.buffer.all, &scratch, isCancelled: isCancelled)
    }.map { ($0, change) }
  }

  /// Finds the flaw of a node whose loss or gradient is not finite. Its leaves are computed again one by one.
  private func flaw(
    of node: Node, _ step: Int, sumTensor: Int?, _ leaves: [Range<Int>], at parameters: FloatBuffer,
    _ scratch: inout Differentiator<M>.Scratch
  ) -> NodeMetrics.Flaw? {
    let own = gradients.take()
    for (leaf, positions) in zip(node.leaves, leaves) {
      let metrics = differentiator.differentiate(
        [positions], step: step, at: parameters.values, into: own.buffer.all, &scratch)[0]
      let tensor = ready.layout.lastNonFiniteTensor(in: own.buffer.values)
      if tensor != nil || !metrics.loss.isFinite { return NodeMetrics.Flaw(leaf: leaf, tensor: tensor) }
    }
    return sumTensor.map { NodeMetrics.Flaw(leaf: nil, tensor: $0) }
  }

  func combine(_ left: Gradient, _ right: Gradient, _ indices: [Int], into parent: Node) {
    // Adding takes less than a nanosecond a value.
    // What else is queued may be long, above all a replica: the network thread must not begin it.
    isShort = isShort && chunks.valueCount < shortNanoseconds
    pool.add(urgent: true, willHelp: isShort) { [self] _ in
      let start = Instant.now
      for chunk in indices {
        let range = chunks[chunk]
        accumulate(
          right.buffer.values[range], into: left.buffer.all[range], roundedCount: chunks.roundedCount(chunk))
      }
      timeline?.record(.sum, from: start, leaves: parent.leaves)
      let tensor = ready.layout.lastNonFiniteTensor(in: left.buffer.values, chunks, indices)
      mailbox.post(.combined(parent, chunks: indices, nonFinite: tensor))
    }
  }

  func help() -> Bool { isShort && pool.help() }

  func cancel() {
    cancellations.add(1, ordering: .relaxed)
  }

  func close() {
    // Replicas would go on to the end of their round.
    cancel()
    pool.close()
  }
}
