package import Reduction

/// Decides what a worker does: takes events, returns actions. It has no socket, no clock and no bulk data.
///
/// A worker sends HELLO, loads the job, and computes its assignments: pieces on compute threads, and sums of sibling nodes.
/// It pushes each chunk of the assignment's maximal nodes as soon as it is final.
///
/// If it loses its coordinator, it drops its work and sends HELLO again; its data stays loaded.
///
/// What it has prepared is an object that nothing else holds, which is why it cannot be copied.
package struct WorkerMachine: ~Copyable {
  // Here and below, what is large and rare is indirect, because what is frequent would be copied at its size.
  package enum Event {
    case started
    case received(Header, Content)
    /// A message of the relay with this ticket.
    case relayed(Header, Content, ticket: UInt64)
    case malformed(WireError)
    /// Data and model are loaded.
    indirect case loaded(Ready, StepPlan, ChunkLayout)
    case loadFailed(String)
    /// These chunks of the gradient of a node that is being computed are final and finite; the gradient's weight.
    case final(Node, chunks: [Int], weight: Double)
    /// A node is computed: its gradient, or for an evaluation only its metrics; those of each step of its task, in order.
    case computed(Node, [NodeMetrics])
    /// These chunks of two siblings' gradients are added; the last tensor with a non-finite value in them.
    case combined(Node, chunks: [Int], nonFinite: Int?)
    case tick
    /// Whether there are members behind this one, to whose sums it adds its own.
    case servesGroup(Bool)
    /// A handshake with the coordinator's address has failed, for this reason.
    case handshakeFailed(String)
    /// End the worker, for this reason.
    case failed(String)
  }

  package enum Content {
    case none
    indirect case welcome(Welcome)
    /// Nil if the run is complete.
    case reason(String?)
    /// The driver holds the parameters.
    case parameters(byteCount: Int)
    indirect case routes(Routes)
    /// An assignment of local steps.
    case roundStart(RoundStart)
    case unassigned(Unassigned)
    case ways(Ways)
  }

  package enum Action {
    case send(Header, Body)
    /// Send to the relay with this ticket.
    case sendToRelay(Header, Body, ticket: UInt64)
    /// Connect to these relays, and end other connections to relays.
    case link([Routes.Relay])
    /// Give the routes to this member's own relay, with the run's number; nil when the session is lost.
    indirect case setRelay(Routes?, run: UInt64)
    /// Give a chunk of a node to this member's own relay.
    case relay(Node, step: Int, chunk: Int)
    /// Tell what serves those behind this member of its own session.
    indirect case group(GroupMachine.Event)
    /// Connect to another relay, or to the coordinator, in place of the present one.
    indirect case connect(Ways.Alternative)
    /// Pass the parameters just received on to others.
    case passOn(chunk: Int, step: Int, ElementKind)
    indirect case load(Welcome)
    /// Store the parameters just received as this chunk of this step's vector, which this element was sent in.
    case store(chunk: Int, step: Int, ElementKind)
    /// Compute with the vector of the task's step, which does not change meanwhile; local steps begin with the state given.
    case compute(Node, StepTask, RoundStart?)
    /// Add these chunks of the right gradient to the left one, which becomes their parent's.
    case combine(left: Node, right: Node, chunks: [Int])
    /// The node's gradient is not needed any more, but for what is being added.
    case forget(Node)
    /// The node's gradient is only needed until its messages are sent.
    case release(Node)
    /// Drop all computing. Each piece is still answered.
    case cancel
    /// The worker is done; nil means success.
    case end(failure: String?)
  }

  package enum Body {
    case none
    case hello
    indirect case ready(Ready)
    case reason(String)
    /// A chunk of a node's gradient.
    case gradient(Node, chunk: Int)
    case metrics(NodeMetrics)
    case missing(MissingChunks)
  }

  enum State {
    /// HELLO is sent, not yet answered.
    case connecting(since: Instant)
    /// Work of an earlier session has not ended yet.
    indirect case draining(Welcome)
    /// The job's data is being loaded.
    case loading
    /// Ready for an assignment, or working on one.
    case ready(Prepared)
    case over
  }

  /// What a session has prepared. Belongs to its machine alone.
  final class Prepared {
    let plan: StepPlan
    let chunks: ChunkLayout
    var parameters: HeldParameters
    var work: Work?
    /// An assignment of which some parameters are still to come from relays.
    var awaiting: Header?
    /// What that assignment begins with, if it is one of local steps.
    var roundStart: RoundStart?
    /// Whether the coordinator was asked for them. It answers with the assignment again, or with another one.
    var hasAsked = false
    /// Whether the sums of those behind this member wait for what it computes of the last assignment, which goes with them.
    var pushesWithGroup = false
    /// What is pushed of the last training task by way of relays, which is kept until the next task: if a relay is lost,
    /// its chunks are pushed again.
    var pushed: (task: StepTask, nodes: [Node: Pushed])?
    /// The routes of the last task, and those after them, by number.
    var routes: [Int: Routes] = [:]
    var current = Routes(number: 0, relays: [])
    /// Connections to relays, by ticket.
    var links: [UInt64: Link] = [:]
    /// The number of the last routes of which it said LINKED.
    var linked = 0
    /// When the last chunk of parameters came, or was asked for.
    var lastChunk = Instant(nanoseconds: 0)

    init(_ plan: StepPlan, _ chunks: ChunkLayout) {
      (self.plan, self.chunks) = (plan, chunks)
      parameters = HeldParameters(chunks: chunks.count)
    }
  }

  /// A connection to a relay. What is sent before the relay is reached waits in the connection's queue, so that the
  /// pauses between PINGs grow: soon after the routes come, the relay may not have them yet and does not answer.
  struct Link {
    var hasAnswered = false
    var nextPing: Instant
    var pause = 0.1
  }

  struct Work {
    let task: StepTask
    var nodes: AssignedNodes
  }

  struct Pushed {
    var weight: Double
    var chunks: Set<Int> = []
  }

  var address: String
  /// The first address, which needs no key from others.
  let origin: String
  let threads: Int
  let limits: Limits
  var state = State.over
  package internal(set) var run: UInt64 = 0
  package internal(set) var session: UInt64 = 0
  var onNonFinite = NonFinitePolicy.stop
  /// The job that is loaded, or being loaded.
  var welcome: Welcome?
  var loaded: (ready: Ready, plan: StepPlan, chunks: ChunkLayout)?
  /// Loads, pieces and sums without an answer yet.
  private var outstanding = 0
  /// When the session was lost; nil while there is one, and before the first.
  var lostSince: Instant?
  /// Why the last handshake failed; nil since the last session.
  var handshakeProblem: String?
  var lastHello = Instant(nanoseconds: 0)
  var lastHeard = Instant(nanoseconds: 0)
  var lastPing = Instant(nanoseconds: 0)
  var lastTick = Instant(nanoseconds: 0)
  var actions: [Action] = []
  /// Whether there are members behind this one.
  package internal(set) var servesGroup = false
  /// Where else this member may go, if it is behind a relay.
  var ways: [Ways.Alternative] = []
  /// The last step that the coordinator is known to be at.
  var coordinatorStep: UInt64 = 0

  /// `address` is only for error messages.
  package init(address: String, threads: Int = 1, limits: Limits = Limits()) {
    (self.address, origin, self.threads, self.limits) = (address, address, threads, limits)
  }

  package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    actions.removeAll(keepingCapacity: true)
    if case .started = event {
      state = .connecting(since: now)
      lastTick = now
      sendHello(at: now)
      return actions
    }
    if case .over = state { return [] }
    switch event {
    case .loaded, .loadFailed, .computed, .combined: outstanding -= 1
    case .started, .received, .relayed, .malformed, .final, .tick, .handshakeFailed, .failed, .servesGroup: break
    }
    switch event {
    case .started: break
    case .servesGroup(let serves): servesGroup = serves
    case .received(let header, let content): receive(header, content, at: now)
    case .relayed(let header, let content, let ticket): receive(header, content, fromRelay: ticket, at: now)
    case .malformed(.version(let version)):
      fail(
        "the coordinator at \(address) speaks protocol version \(version), and this worker \(Header.protocolVersion): install the same version on both machines"
      )
    case .malformed(let error): fail("the peer at \(address) is no coordinator: it sent \(error)")
    case .loaded(let ready, let plan, let chunks):
      loaded = (ready, plan, chunks)
      if case .loading = state { becomeReady() }
    case .loadFailed(let reason), .failed(let reason): leave(reason)
    case .final(let node, let chunks, let weight): addToWork(node) { $0.add(node, chunks, weight: weight) }
    case .computed(let node, let metrics): addToWork(node) { $0.add(node, metrics) }
    case .combined(let node, let chunks, let tensor): addToWork(node) { $0.addSum(node, chunks, nonFinite: tensor) }
    case .handshakeFailed(let reason): handshakeProblem = reason
    case .tick: tick(at: now)
    }
    if case .draining(let welcome) = state, outstanding == 0 { load(welcome) }
    outstanding += actions.count { action in
      switch action {
      case .load, .compute, .combine: true
      case .send, .store, .release, .forget, .cancel, .end, .sendToRelay, .link, .setRelay, .relay, .passOn, .group,
        .connect:
        false
      }
    }
    return actions
  }

  mutating func send(_ kind: MessageKind, _ body: Body = .none, chunk: Int = 0, step: Int = 0) {
    actions.append(
      .send(Header(kind, run: run, session: session, step: UInt64(step), chunk: UInt32(chunk)), body))
  }

  mutating func fail(_ reason: String) {
    state = .over
    actions.append(.group(.lost))
    actions.append(.end(failure: reason))
  }

  mutating func leave(_ reason: String) {
    send(.goodbye, .reason(reason))
    fail(reason)
  }

  private mutating func receive(_ header: Header, _ content: Content, at now: Instant) {
    lastHeard = now
    if header.run == run && header.session == session && header.kind != .parameters && header.kind != .pass {
      coordinatorStep = max(coordinatorStep, header.step)
    }
    switch (header.kind, content, state) {
    case (.refuse, .reason(let reason), .connecting) where !ways.isEmpty:
      // The next way may be one.
      handshakeProblem = reason
    case (.refuse, .reason(let reason), _):
      fail("the coordinator at \(address) refused this worker: \(reason ?? "it did not say why")")
    case (.welcome, .welcome(let welcome), .connecting):
      handshakeProblem = nil
      (run, session, onNonFinite) = (header.run, header.session, welcome.onNonFinite)
      coordinatorStep = 0
      actions.append(.group(.welcomed(run: run)))
      state = .draining(welcome)
    case (.lost, _, _) where header.run == run && header.session == session && session != 0:
      loseSession("the coordinator at \(address) has given this worker's session up", at: now)
    case _ where header.run != run || header.session != session: break  // meant for an earlier session
    case (.ping, _, _): send(.pong)
    case (.pong, _, _): break
    case (.goodbye, .reason(let reason), _):
      state = .over
      send(.goodbye, .reason("the run is over"))
      actions.append(.group(.over(reason: reason)))
      actions.append(.end(failure: reason.map { "the coordinator at \(address) has ended the run: \($0)" }))
    case (.parameters, .parameters, .ready(let prepared)), (.pass, .parameters, .ready(let prepared)):
      guard prepared.chunks.mayGet(header.element, of: header.vector) else {
        leave("the coordinator sent a chunk of \(header.vector) in \(header.element), which this worker does not know")
        return
      }
      guard case .parameters(let byteCount) = content, store(header, byteCount, at: now) else {
        leave(
          "the coordinator sent a chunk \(header.chunk) of the \(header.vector) of step \(header.step) at the wrong time or size"
        )
        return
      }
    case (.routes, .routes(let routes), .ready): take(routes, at: now)
    case (.unassigned, .unassigned(let unassigned), .ready):
      actions.append(.group(.unassigned(session: unassigned.session, step: Int(header.step))))
    case (.ways, .ways(let ways), _):
      self.ways = ways.alternatives
      // Where it came from is a way too: the coordinator may not know by which address it is reached.
      if !ways.alternatives.contains(where: { $0.address == origin }) {
        self.ways.append(Ways.Alternative(address: origin, key: nil))
      }
      if ways.moves, !ways.alternatives.isEmpty { move(at: now) }
    case (.assign, _, .ready):
      let start = if case .roundStart(let start) = content { start } else { RoundStart?.none }
      guard assign(header, start, at: now) else {
        leave("the coordinator assigned leaves \(header.leaves) of step \(header.step), which cannot be computed now")
        return
      }
    default: leave("the coordinator sent an unexpected \(header.kind) message")
    }
  }

  /// Adds to the task's nodes what is known of `node`, and carries out what follows.
  private mutating func addToWork(_ node: Node, _ add: (inout AssignedNodes) -> [AssignedNodes.Change]) {
    guard case .ready(let prepared) = state, let task = prepared.work?.task else {
      // It belongs to a session that is over.
      actions.append(.release(node))
      return
    }
    for change in add(&prepared.work!.nodes) {
      switch change {
      case .push(let node, let chunks, let weight): push(node, chunks, weight, of: task, prepared)
      case .combine(let left, let right, let chunks):
        actions.append(.combine(left: left, right: right, chunks: chunks))
      case .forget(let node): actions.append(.forget(node))
      case .finish(let node, let metrics): finish(node, metrics, of: task, prepared)
      }
    }
    if prepared.work!.nodes.isDone { prepared.work = nil }
  }
}
