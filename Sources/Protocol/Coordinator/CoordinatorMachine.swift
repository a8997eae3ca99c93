package import Reduction
package import Schema

/// Decides what the coordinator does: takes events, returns actions. It has no socket, no clock and no bulk data.
///
/// A run is a sequence of tasks (``StepTask``): each training step, and an evaluation after each epoch. The test part comes
/// last where there is a validation part. Only one task runs at a time. Its leaves are cut among the idle workers, which
/// return sums of nodes in any order. The next task starts when the root of every chunk is updated and the metrics are
/// complete. The unfinished leaves of a worker that leaves go to others; workers may join at any time.
///
/// Its members and its work are objects that nothing else holds, which is why it cannot be copied.
package struct CoordinatorMachine: ~Copyable {
  package struct Configuration: Sendable {
    package var run: UInt64
    /// The session number of the run's n-th membership, n from 1. Records in shared memory are matched to workers by
    /// it, so it must be one that other processes cannot guess.
    package var session: @Sendable (UInt64) -> UInt64 = { $0 }
    /// Steps done before this process, and below how many of them were skipped.
    package var start = 0
    /// The number of steps after which each part was last evaluated.
    package var evaluatedSteps: [HeldOutPart: Int] = [:]
    package var skippedSteps = 0
    package var plan: StepPlan
    package var chunks: ChunkLayout
    /// READY must have the same fingerprint of the data and the same tensors.
    package var fingerprint: String
    package var layout: ParameterLayout
    /// What the coordinator itself computes.
    package var numerics: Numerics
    /// Whether workers with another digest may take part.
    package var acceptsOtherNumerics = false
    package var awaitedWorkers: Int
    /// Nil for a star where links are fast, and a mesh where they are slow (``TransferPace/isLong``).
    package var topology: Topology? = Topology.mesh
    /// Whether workers compute that make steps longer.
    package var usesAllWorkers = false
    package var metrics: MetricSchema
    /// The denominator of R² for each part; empty for classification.
    package var targetVariation: [HeldOutPart: Double] = [:]
    package var onNonFinite = NonFinitePolicy.stop
    /// Whether the optimizer needs all chunks' sums before it updates any.
    package var updatesTogether = false
    /// Where members behind relays may reach the coordinator itself.
    package var ways: [Ways.Alternative] = []
    /// Ends error messages about values that are not finite.
    package var advice = "try a smaller --learning-rate, or --scale standard"
    package var limits = Limits()

    package init(
      run: UInt64, session: @escaping @Sendable (UInt64) -> UInt64 = { $0 }, start: Int = 0,
      evaluatedSteps: [HeldOutPart: Int] = [:], skippedSteps: Int = 0, plan: StepPlan, chunks: ChunkLayout,
      fingerprint: String,
      layout: ParameterLayout, numerics: Numerics, acceptsOtherNumerics: Bool = false, awaitedWorkers: Int,
      topology: Topology? = .mesh, usesAllWorkers: Bool = false, metrics: MetricSchema,
      targetVariation: [HeldOutPart: Double] = [:],
      onNonFinite: NonFinitePolicy = NonFinitePolicy.stop,
      updatesTogether: Bool = false, ways: [Ways.Alternative] = [],
      advice: String = "try a smaller --learning-rate, or --scale standard",
      limits: Limits = Limits()
    ) {
      (self.run, self.session, self.start, self.evaluatedSteps) = (run, session, start, evaluatedSteps)
      (self.skippedSteps, self.plan, self.chunks, self.fingerprint) = (skippedSteps, plan, chunks, fingerprint)
      (self.layout, self.numerics, self.acceptsOtherNumerics) = (layout, numerics, acceptsOtherNumerics)
      (self.awaitedWorkers, self.metrics, self.targetVariation) = (awaitedWorkers, metrics, targetVariation)
      (self.onNonFinite, self.updatesTogether, self.advice) = (onNonFinite, updatesTogether, advice)
      (self.ways, self.limits) = (ways, limits)
      (self.topology, self.usesAllWorkers) = (topology, usesAllWorkers)
    }
  }

  package enum Event {
    case started
    /// A valid message.
    case received(Header, Content, from: Peer)
    /// An invalid message.
    case malformed(WireError, from: Peer)
    /// A message could not be sent: the connection is gone.
    case unreachable(Peer)
    /// A process started here has ended: its worker's name, how it ended, and whether another is started instead.
    case processEnded(name: String, String, isReplaced: Bool)
    /// The answer to ``Action/check(chunk:)``: the last tensor with a non-finite value in the chunk's root.
    case checked(chunk: Int, nonFinite: Int?)
    /// The answer to ``Action/update(chunk:number:weight:)``: the same for the updated parameters.
    case updated(chunk: Int, nonFinite: Int?)
    case tick
    /// End the run at once, for this reason.
    case failed(String)
    /// End the run after the current step and its evaluation, for this reason.
    case stop(String)
  }

  // Here and below, what is large and rare is indirect, because what is frequent would be copied at its size.
  package enum Content {
    case none
    indirect case hello(Hello)
    indirect case ready(Ready)
    case metrics(NodeMetrics)
    /// The driver holds the gradient.
    case gradient(byteCount: Int)
    case reason(String)
    case missing(MissingChunks)
  }

  /// What the driver must do, in this order. What concerns a chunk's sums (``keep(_:chunk:)`` to
  /// ``update(chunk:number:weight:)``) it may do later and for several chunks at once, as long as it keeps to the order
  /// for each chunk: no step ends before it has answered for all of them.
  package enum Action {
    case send(Header, Body, to: Peer)
    /// Keep the gradient just received as `node`'s sum of `chunk`.
    case keep(Node, chunk: Int)
    /// Add the right sum to the left one, which becomes their parent's sum.
    case combine(left: Node, right: Node, chunk: Int)
    /// Drop the sum.
    case discard(Node, chunk: Int)
    /// The chunk's root is complete. Answer with ``Event/checked(chunk:nonFinite:)``.
    case check(chunk: Int)
    /// Divide the chunk's root by the weight and update the chunk; `number` counts updates from 1, and is that of a round's
    /// first step. Answer with
    /// ``Event/updated(chunk:nonFinite:)``.
    case update(chunk: Int, number: Int, weight: Double)
    /// All chunks are updated: make the updated parameters the current ones.
    case advance
    /// The step, or the round, has no update: keep the parameters.
    case skip
    indirect case report(TrainingEvent)
    /// The run is over; nil means success.
    indirect case end(failure: TrainingError?)
  }

  package enum Body {
    case none
    case welcome
    /// Nil if the run is complete.
    case reason(String?)
    /// A chunk of the parameters of the header's step.
    case parameters(chunk: Int)
    indirect case routes(Routes)
    /// A ``RoundStart`` of the current state.
    case roundStart
    case unassigned(Unassigned)
    case ways(Ways)
  }

  /// A connection's identity on the ROUTER socket.
  package struct Peer: Hashable, Comparable, Sendable {
    package var id: UInt64

    package static func < (left: Peer, right: Peer) -> Bool { left.id < right.id }

    package init(id: UInt64) {
      self.id = id
    }
  }

  package let configuration: Configuration
  package var members: [Peer: Member] = [:]
  /// Whether members behind others take part.
  package var hasGroups = false
  package var work: Work?
  /// Steps done, including skipped ones.
  package var step = 0
  package var skippedSteps = 0
  package var isOver = false
  /// Why the run has failed; nil if it has not.
  package var endReason: String?
  package var sessionCount: UInt64 = 0
  /// The number of steps after which each part was last evaluated.
  package var evaluatedSteps: [HeldOutPart: Int]
  /// Processes started here that have not joined yet.
  package var awaitedCount: Int
  /// Local workers that are not awaited any more: they have joined, were given up or have ended.
  package var unawaitedNames: Set<String> = []
  /// Local workers that were given up but whose process runs, so that they may return.
  package var absentNames: Set<String> = []
  /// Local workers whose process has ended. A HELLO from one is late and is ignored.
  package var endedNames: Set<String> = []
  /// Whether the user was warned that there are more workers than leaves.
  package var hasWarnedOfSpareWorkers = false
  /// Workers that have joined so far.
  package var joinedCount = 0
  /// Why and since when the run is to end after the current step.
  package var stopRequest: (reason: String, since: Instant)?
  /// When the run last had a worker that made progress.
  package var lastProgress = Instant(nanoseconds: 0)
  /// The last number of seconds that was reported as waiting.
  package var reportedWait = 0
  package var lastTick = Instant(nanoseconds: 0)
  /// When ``handleAfterEnd(_:at:)`` was first called with a tick.
  package var shutdownStart: Instant?
  /// Peers that are not workers and got their one answer.
  package var strangers: Set<Peer> = []
  /// Peers that broke the protocol, and are ignored.
  package var banned: Set<Peer> = []
  package var transferPace = TransferPace()
  /// Whether links have been found to be slow.
  package var hasSlowLinks = false
  /// The routes that tasks use; nil if all chunks go to the coordinator.
  package var routes: RouteTable?
  /// Routes that not all members have linked yet, and since when.
  package var proposal: (table: RouteTable, since: Instant)?
  /// Of the last routes.
  package var routesNumber = 0
  /// Until when no routes are proposed; 0 for no pause.
  package var routesPausedUntil = Instant(nanoseconds: 0)
  /// How often routes were given up because they did not work.
  package var routesPauses = 0
  /// How often the sums of those behind a relay did not come, by the relay's address.
  package var withheld: [String: Int] = [:]
  package var reportedRelays = 0
  package var places = Places()
  package var workerCount = WorkerCount()
  /// The members that do not compute, because steps are shorter without them.
  package var leftOut: Set<Peer> = []
  package var hasReportedLeftOut = false
  /// Leaves that were taken from a worker that has left or is slow.
  package var reassignedLeaves = 0
  package var actions: [Action] = []

  package init(_ configuration: Configuration) {
    self.configuration = configuration
    step = configuration.start
    evaluatedSteps = configuration.evaluatedSteps
    skippedSteps = configuration.skippedSteps
    awaitedCount = configuration.awaitedWorkers
  }

  /// The number of workers that are ready to compute.
  package var activeCount: Int { members.values.count(where: \.isActive) }

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

  /// Asks the run to end after the current step; ends it at once if no step is running.
  private mutating func stop(_ reason: String, at now: Instant) {
    stopRequest = stopRequest ?? (reason, now)
    if work == nil || activeCount == 0 { end(reason) }
  }

  package mutating func report(_ event: TrainingEvent) {
    actions.append(.report(event))
  }

  /// Text of a peer made safe to print: one line, at most 500 characters, no control characters.
  package func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(500).map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  /// Sends GOODBYE to every worker and ends the run.
  package mutating func end(_ failure: String?, culprit: String? = nil, hasDiverged: Bool = false) {
    guard !isOver else { return }
    (isOver, endReason) = (true, failure)
    for peer in members.keys.sorted() {
      send(.goodbye, .reason(failure), to: peer)
    }
    actions.append(.end(failure: failure.map { TrainingError($0, culprit: culprit, hasDiverged: hasDiverged) }))
  }

  package mutating func send(_ kind: MessageKind, _ body: Body = .none, to peer: Peer) {
    let header = Header(
      kind, run: configuration.run, session: members[peer]?.session ?? 0, step: UInt64(step))
    actions.append(.send(header, body, to: peer))
  }
}
