package import Reduction
package import Schema

/// The coordinator's decisions: events in, actions out. No socket, no clock, no bulk data.
///
/// A run is a row of tasks (``StepTask``): each training step, and an evaluation after each epoch. One task is at work
/// at a time. Its leaves are cut among the idle workers; nodes of their sums come back, from anyone, in any order; when
/// every chunk's root is updated and the metrics' root is there, the next task starts. A worker that goes away gives
/// its unfinished leaves back. Workers may join at any time and take part from the next free leaves on.
package struct CoordinatorMachine {
  /// What does not change during a run.
  package struct Configuration: Sendable {
    package var run: UInt64
    /// The number of the run's n-th session, n from 1. Messages past the socket are taken for their
    /// session's worker, so it is one that other processes cannot guess.
    package var session: @Sendable (UInt64) -> UInt64 = { $0 }
    /// Steps that an earlier process has done, and how many of them it skipped.
    package var start = 0
    /// Whether the evaluation that follows the last step done is still to be done.
    package var isEvaluationPending = false
    package var skippedSteps = 0
    package var plan: StepPlan
    package var chunks: ChunkLayout
    /// What workers' READY must say: the data's fingerprint and the model's tensors.
    package var fingerprint: String
    package var layout: ParameterLayout
    /// The digest of the bits that a resumed run was computed with; nil where that is not known yet.
    package var numericsDigest: String?
    /// Whether workers of other bits may take part.
    package var acceptsOtherNumerics = false
    /// Workers to wait for before the first step.
    package var awaitedWorkers: Int
    /// What workers measure.
    package var metrics: MetricSchema
    /// What R² measures against.
    package var targetVariation: Double?
    package var onNonFinite = NonFinitePolicy.stop
    /// Whether no chunk can be updated before all are summed.
    package var updatesTogether = false
    /// What may help where something is not finite.
    package var advice = "try a smaller --learning-rate, or --scale standard"
    package var limits = Limits()

    package init(
      run: UInt64, session: @escaping @Sendable (UInt64) -> UInt64 = { $0 }, start: Int = 0,
      isEvaluationPending: Bool = false, skippedSteps: Int = 0, plan: StepPlan, chunks: ChunkLayout,
      fingerprint: String,
      layout: ParameterLayout, numericsDigest: String? = nil, acceptsOtherNumerics: Bool = false, awaitedWorkers: Int,
      metrics: MetricSchema, targetVariation: Double? = nil, onNonFinite: NonFinitePolicy = NonFinitePolicy.stop,
      updatesTogether: Bool = false, advice: String = "try a smaller --learning-rate, or --scale standard",
      limits: Limits = Limits()
    ) {
      self.run = run
      self.session = session
      self.start = start
      self.isEvaluationPending = isEvaluationPending
      self.skippedSteps = skippedSteps
      self.plan = plan
      self.chunks = chunks
      self.fingerprint = fingerprint
      self.layout = layout
      self.numericsDigest = numericsDigest
      self.acceptsOtherNumerics = acceptsOtherNumerics
      self.awaitedWorkers = awaitedWorkers
      self.metrics = metrics
      self.targetVariation = targetVariation
      self.onNonFinite = onNonFinite
      self.updatesTogether = updatesTogether
      self.advice = advice
      self.limits = limits
    }
  }

  package enum Event {
    case started
    /// A message whose header and payload are of this protocol.
    case received(Header, Content, from: Peer)
    /// A message that is not.
    case malformed(WireError, from: Peer)
    /// A message could not be sent because the connection is gone.
    case unreachable(Peer)
    /// One of the processes that this one started has ended: the name that its worker goes by, how it ended, and whether
    /// another is started in its place.
    case processEnded(name: String, String, isReplaced: Bool)
    /// The answer to ``Action/check(chunk:)``: the last tensor of which the chunk's root has a value that is not finite.
    case checked(chunk: Int, nonFinite: Int?)
    /// The answer to ``Action/update(chunk:number:weight:)``: the same of the chunk's updated parameters.
    case updated(chunk: Int, nonFinite: Int?)
    /// Time has passed.
    case tick
    /// The run must end now, and why.
    case failed(String)
    /// The run is to end after the present step and its evaluation, and why.
    case stop(String)
  }

  /// A message's payload, decoded where it is small.
  package enum Content {
    case none
    case hello(Hello)
    case ready(Ready)
    case metrics(NodeMetrics)
    /// So many bytes of gradient, which the driver holds.
    case gradient(byteCount: Int)
    case reason(String)
  }

  package enum Action {
    case send(Header, Body, to: Peer)
    /// The gradient just received is `node`'s sum of `chunk`.
    case keep(Node, chunk: Int)
    /// Add right to left; the result is the sum of the node over both.
    case combine(left: Node, right: Node, chunk: Int)
    /// The sum is not needed any more.
    case discard(Node, chunk: Int)
    /// The chunk's root is there: to be answered at once by ``Event/checked(chunk:nonFinite:)``.
    case check(chunk: Int)
    /// The chunk's root is summed over the weight: update it, as update number `number`, from 1. To be answered at once by
    /// ``Event/updated(chunk:nonFinite:)``.
    case update(chunk: Int, number: Int, weight: Double)
    /// All chunks are updated; the updated parameters are the current ones.
    case advance
    /// The step has no update; the parameters of the next one are the same.
    case skip
    case report(TrainingEvent)
    /// The run is over; nil for success.
    case end(failure: TrainingError?)
  }

  /// What follows a header.
  package enum Body {
    case none
    case welcome
    /// Nil where the run is complete.
    case reason(String?)
    /// The chunk, of the parameters of the header's step.
    case parameters(chunk: Int)
  }

  /// A connection's name on the ROUTER socket.
  package struct Peer: Hashable, Comparable, Sendable {
    package var id: UInt64

    package static func < (left: Peer, right: Peer) -> Bool { left.id < right.id }

    package init(
      id: UInt64
    ) {
      self.id = id
    }
  }

  package let configuration: Configuration
  package var members: [Peer: Member] = [:]
  package var work: Work?
  /// Steps done, skipped ones counted.
  package var step = 0
  /// Steps that had no update, because something was not finite.
  package var skippedSteps = 0
  package var isOver = false
  package var sessionCount: UInt64 = 0
  /// Whether the resumed run lacks an evaluation, which comes first.
  package var isEvaluationPending: Bool
  /// Processes started here that may still join.
  package var awaitedCount: Int
  /// The names of local workers that are not awaited any more: they could compute once, were given up or ended.
  package var unawaitedNames: Set<String> = []
  /// The names of local workers that were given up and may return, as their process has not ended.
  package var absentNames: Set<String> = []
  /// The names of local workers whose process has ended; what they still say is late.
  package var endedNames: Set<String> = []
  /// Whether it was said that there are more workers than leaves.
  package var hasWarnedOfSpareWorkers = false
  /// Workers that ever could compute.
  package var joinedCount = 0
  /// Why the run is to end after the present step, and since when.
  package var stopRequest: (reason: String, since: Instant)?
  /// Since when the run has no worker, or its workers have made no progress.
  package var lastProgress = Instant(nanoseconds: 0)
  /// The seconds without a worker that were last reported.
  package var reportedWait = 0
  package var lastTick = Instant(nanoseconds: 0)
  /// Since when workers may take their leave.
  package var shutdownStart: Instant?
  /// Peers that are no workers and were answered or reported once.
  package var strangers: Set<Peer> = []
  /// Peers that broke the protocol; their connection is not listened to any more.
  package var banned: Set<Peer> = []
  package var transferPace = TransferPace()
  /// What workers have to compute; nil before the first one is ready.
  package var numerics: KnownNumerics?
  package var actions: [Action] = []

  package init(_ configuration: Configuration) {
    self.configuration = configuration
    step = configuration.start
    isEvaluationPending = configuration.isEvaluationPending
    skippedSteps = configuration.skippedSteps
    awaitedCount = configuration.awaitedWorkers
    numerics = configuration.numericsDigest.map { KnownNumerics(digest: $0) }
  }

  /// Workers that can compute.
  package var activeCount: Int { members.values.count { $0.state != .loading } }

  package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    actions.removeAll(keepingCapacity: true)
    guard !isOver else {
      handleAfterEnd(event, at: now)
      return actions
    }
    switch event {
    case .started: (lastProgress, lastTick) = (now, now)
    case .received(let header, let content, let peer): receive(header, content, from: peer, at: now)
    case .malformed(let error, let peer): rejectMalformed(error, from: peer, at: now)
    case .unreachable(let peer): remove(peer, "its connection is gone", mayReturn: true, at: now)
    case .processEnded(let name, let description, let isReplaced):
      if isReplaced { awaitedCount += 1 }
      handleProcessEnd(name, description, at: now)
    case .checked(let chunk, let tensor): handleChecked(chunk, nonFinite: tensor, at: now)
    case .updated(let chunk, let tensor): handleUpdated(chunk, nonFinite: tensor, at: now)
    case .tick: tick(at: now)
    case .failed(let reason): end(reason)
    case .stop(let reason): stop(reason, at: now)
    }
    startWorkIfPossible(at: now)
    return actions
  }

  /// Ends the run between two steps, at once where no step is at work that could end.
  private mutating func stop(_ reason: String, at now: Instant) {
    stopRequest = stopRequest ?? (reason, now)
    if work == nil || activeCount == 0 { end(reason) }
  }

  package mutating func report(_ event: TrainingEvent) {
    actions.append(.report(event))
  }

  /// A name or a reason that a peer sent, fit to be shown: one line, not too long, no control characters.
  package func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(500).map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  /// Says goodbye to everyone and ends the run.
  package mutating func end(_ failure: String?, culprit: String? = nil) {
    guard !isOver else { return }
    isOver = true
    for peer in members.keys.sorted() {
      send(.goodbye, .reason(failure), to: peer)
    }
    actions.append(.end(failure: failure.map { TrainingError($0, culprit: culprit) }))
  }

  package mutating func send(_ kind: MessageKind, _ body: Body = .none, to peer: Peer) {
    let header = Header(
      kind, run: configuration.run, session: members[peer]?.session ?? 0, step: UInt64(step))
    actions.append(.send(header, body, to: peer))
  }
}

/// One membership of one worker.
package struct Member {
  package enum State: Equatable {
    /// It has the job and loads its data.
    case loading
    case idle
    /// It owes sums.
    case busy
  }

  package let session: UInt64
  package let name: String
  package let threads: Int
  /// Counted by joining, from 1.
  package var number = 0
  package var state = State.loading
  /// The step of the parameters that it has or will have when what is sent has arrived, a chunk each; −1 for none.
  package var chunkSteps: [Int]
  /// When it said hello.
  package let helloTime: Instant
  /// The leaves of its assignment.
  package var leaves = 0..<0
  /// The nodes that it has not finished.
  package var unfinishedNodes: [Node] = []
  package var task: StepTask?
  /// When it was given the leaves.
  package var assignmentTime: Instant
  /// When it last pushed something, or was given the leaves.
  package var lastProgress: Instant
  /// Whether others have its leaves as well.
  package var isLagging = false
  /// Whether it has just done a task; the first one after a pause takes longer and says nothing about its pace.
  package var isWarm = false
  /// Its pace in training and in evaluations.
  package var paces: [Bool: Pace] = [:]
  /// Since when it has been much slower than the fastest.
  package var slowSince: Instant?
  /// Whether that was said.
  package var hasWarnedOfSlowness = false
  package var lastHeard: Instant
  package var lastPing: Instant
  package var computeSeconds = 0.0
  /// What its threads have computed for its leaves so far.
  package var taskComputeSeconds = 0.0

  /// How long its threads were busy to compute `seconds` together, by its own account, which may be anything.
  package func threadSeconds(_ seconds: Double, within limit: Double) -> Double {
    let each = seconds / Double(max(threads, 1))
    return each >= 0 ? min(each, limit) : 0
  }

  /// Whether it is still at an earlier task than `task`, and not for long.
  package func isSoonIdle(for task: StepTask) -> Bool { state == .busy && self.task != task && !isLagging }
}

/// The task that is being computed.
package struct Work {
  package let task: StepTask
  package let tree: ReductionTree
  /// The sums at hand, a chunk each; empty for an evaluation.
  package var sums: [PartialSums]
  /// Chunks whose update is still to come.
  package var openChunks: Int
  package var metrics: NodeSums<NodeMetrics>
  /// The weights of what is pushed: complete no later than the first chunk's root.
  package var weights: NodeSums<Double>
  /// Chunks whose root is known to be finite.
  package var finiteRoots: Set<Int> = []
  /// The last tensor of which a root is known not to be finite.
  package var flawedTensor: Int?
  /// The workers that found what is not finite.
  package var finders: [NodeMetrics.Flaw: String] = [:]
  /// Whether the run ends with the task, because of what was found; gradients don't matter any more.
  package var endsRun = false
  /// Vectors of parameters and gradients that workers were sent or asked for.
  package var transfers = 0
  /// Ranges of leaves that nobody has been asked for.
  package var unassigned: [Range<Int>]
  package let start: Instant
  package var lastProgress: Instant

  package init(_ task: StepTask, _ plan: StepPlan, chunkCount: Int, at now: Instant) {
    self.task = task
    tree = plan.tree(task)
    sums = task.isTraining ? Array(repeating: PartialSums(tree), count: chunkCount) : []
    openChunks = sums.count
    metrics = NodeSums(tree, add: +)
    weights = NodeSums(tree, add: +)
    unassigned = [0..<tree.leafCount]
    start = now
    lastProgress = now
  }

  /// Whether every sum that the task is about includes `leaf`.
  package func isSummed(_ leaf: Int) -> Bool {
    let node = Node(leaf..<leaf + 1)
    return metrics.sums.covers(node) && (endsRun || isPushed(node))
  }

  /// Whether every chunk's sums include `node`.
  package func isPushed(_ node: Node) -> Bool { sums.allSatisfy { $0.covers(node) } }
}
