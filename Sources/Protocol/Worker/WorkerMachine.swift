package import Reduction

/// Decides what a worker does: takes events, returns actions. It has no socket, no clock and no bulk data.
///
/// A worker sends HELLO, loads the job, and computes its assignments: pieces on compute threads, then sums of sibling
/// nodes. It pushes each maximal node of the assignment as soon as it is complete.
///
/// If it loses its coordinator, it drops its work and sends HELLO again; its data stays loaded.
package struct WorkerMachine {
  package enum Event {
    case started
    case received(Header, Content)
    case malformed(WireError)
    /// Data and model are loaded.
    case loaded(Ready, StepPlan, ChunkLayout)
    case loadFailed(String)
    /// A node is computed: its gradient, or for an evaluation only its metrics.
    case computed(Node, NodeMetrics)
    /// Two siblings' gradients are added; the last tensor with a non-finite value in the sum.
    case combined(Node, nonFinite: Int?)
    case tick
    /// A handshake with the coordinator's address has failed, for this reason.
    case handshakeFailed(String)
    /// End the worker, for this reason.
    case failed(String)
  }

  package enum Content {
    case none
    case welcome(Welcome)
    /// Nil if the run is complete.
    case reason(String?)
    /// The driver holds the parameters.
    case parameters(byteCount: Int)
  }

  package enum Action {
    case send(Header, Body)
    case load(Welcome)
    /// Store the parameters just received as this chunk of this step's vector.
    case store(chunk: Int, step: Int)
    /// Compute with the vector of the task's step, which does not change meanwhile.
    case compute(Node, StepTask)
    /// Add the right gradient to the left one, which becomes their parent's.
    case combine(left: Node, right: Node)
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
    case ready(Ready)
    case reason(String)
    /// A chunk of a node's gradient.
    case gradient(Node, chunk: Int)
    case metrics(NodeMetrics)
  }

  private enum State {
    /// HELLO is sent, not yet answered.
    case connecting(since: Instant)
    /// Work of an earlier session has not ended yet.
    case draining(Welcome)
    /// The job's data is being loaded.
    case loading
    /// Ready for an assignment, or working on one.
    case ready(Prepared)
    case over
  }

  private struct Prepared {
    package let plan: StepPlan
    package let chunks: ChunkLayout
    package var parameters: HeldParameters
    package var work: Work?
  }

  private struct Work {
    package let task: StepTask
    package var sums: PartialSums
    package var metrics: [Node: NodeMetrics] = [:]
    /// The assignment's maximal nodes that are not pushed yet.
    package var unpushedNodes: Set<Node>
  }

  private let address: String
  private let threads: Int
  private let limits: Limits
  private var state = State.over
  private var run: UInt64 = 0
  private var session: UInt64 = 0
  private var onNonFinite = NonFinitePolicy.stop
  /// The job that is loaded, or being loaded.
  private var welcome: Welcome?
  private var loaded: (ready: Ready, plan: StepPlan, chunks: ChunkLayout)?
  /// Loads, pieces and sums without an answer yet.
  private var outstanding = 0
  /// When the session was lost; nil while there is one, and before the first.
  private var lostSince: Instant?
  /// Why the last handshake failed; nil since the last session.
  private var handshakeProblem: String?
  private var lastHello = Instant(nanoseconds: 0)
  private var lastHeard = Instant(nanoseconds: 0)
  private var lastPing = Instant(nanoseconds: 0)
  private var lastTick = Instant(nanoseconds: 0)
  private var actions: [Action] = []

  /// `address` is only for error messages.
  package init(address: String, threads: Int = 1, limits: Limits = Limits()) {
    (self.address, self.threads, self.limits) = (address, threads, limits)
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
    case .started, .received, .malformed, .tick, .handshakeFailed, .failed: break
    }
    switch event {
    case .started: break
    case .received(let header, let content): receive(header, content, at: now)
    case .malformed(.version(let version)):
      fail(
        "the coordinator at \(address) speaks protocol version \(version), and this worker \(Header.protocolVersion): install the same version on both machines"
      )
    case .malformed(let error): fail("the peer at \(address) is no coordinator: it sent \(error)")
    case .loaded(let ready, let plan, let chunks):
      loaded = (ready, plan, chunks)
      if case .loading = state { becomeReady() }
    case .loadFailed(let reason), .failed(let reason): leave(reason)
    case .computed(let node, let metrics): addNode(node, metrics)
    case .combined(let node, let tensor): addSum(node, nonFinite: tensor)
    case .handshakeFailed(let reason): handshakeProblem = reason
    case .tick: tick(at: now)
    }
    if case .draining(let welcome) = state, outstanding == 0 { load(welcome) }
    outstanding += actions.count { action in
      switch action {
      case .load, .compute, .combine: true
      case .send, .store, .release, .cancel, .end: false
      }
    }
    return actions
  }

  private mutating func sendHello(at now: Instant) {
    (run, session) = (0, 0)
    lastHello = now
    send(.hello, .hello)
  }

  /// Drops all work and sends HELLO again; another coordinator may answer.
  private mutating func loseSession(_ reason: String, at now: Instant) {
    guard limits.reconnectTimeout > 0 else {
      fail(reason)
      return
    }
    lostSince = lostSince ?? now
    state = .connecting(since: now)
    lastHeard = now
    actions.append(.cancel)
    sendHello(at: now)
  }

  /// Starts to load a job. If it is the one that is loaded, its data is used again.
  private mutating func load(_ welcome: Welcome) {
    state = .loading
    if welcome == self.welcome, loaded != nil {
      becomeReady()
      return
    }
    self.welcome = welcome
    loaded = nil
    actions.append(.load(welcome))
  }

  private mutating func becomeReady() {
    guard let loaded else { preconditionFailure("a worker that has loaded nothing cannot be ready") }
    lostSince = nil
    state = .ready(
      Prepared(
        plan: loaded.plan, chunks: loaded.chunks, parameters: HeldParameters(chunks: loaded.chunks.count)))
    send(.ready, .ready(loaded.ready))
  }

  private mutating func send(_ kind: MessageKind, _ body: Body = .none) {
    actions.append(.send(Header(kind, run: run, session: session), body))
  }

  private mutating func fail(_ reason: String) {
    state = .over
    actions.append(.end(failure: reason))
  }

  private mutating func leave(_ reason: String) {
    send(.goodbye, .reason(reason))
    fail(reason)
  }

  private mutating func receive(_ header: Header, _ content: Content, at now: Instant) {
    lastHeard = now
    switch (header.kind, content, state) {
    case (.refuse, .reason(let reason), _):
      fail("the coordinator at \(address) refused this worker: \(reason ?? "it did not say why")")
    case (.welcome, .welcome(let welcome), .connecting):
      handshakeProblem = nil
      (run, session, onNonFinite) = (header.run, header.session, welcome.onNonFinite)
      state = .draining(welcome)
    case (.lost, _, _) where header.run == run && header.session == session && session != 0:
      loseSession("the coordinator at \(address) has given this worker's session up", at: now)
    case _ where header.run != run || header.session != session: break  // meant for an earlier session
    case (.ping, _, _): send(.pong)
    case (.pong, _, _): break
    case (.goodbye, .reason(let reason), _):
      state = .over
      send(.goodbye, .reason("the run is over"))
      actions.append(.end(failure: reason.map { "the coordinator at \(address) has ended the run: \($0)" }))
    case (.parameters, .parameters, .ready) where header.vector == .moments || header.element != .float32:
      leave("the coordinator sent a chunk of \(header.vector) in \(header.element), which this worker does not know")
    case (.parameters, .parameters(let byteCount), .ready(var prepared)):
      state = .over  // so that `prepared` is the only copy
      let (chunk, step) = (Int(header.chunk), Int(truncatingIfNeeded: header.step))
      // What a task computes with does not change while it runs.
      guard prepared.work.map({ step == $0.task.step + 1 }) ?? true, chunk < prepared.chunks.count,
        header.vector == prepared.chunks.kind(chunk), byteCount == prepared.chunks.byteCount(chunk)
      else {
        leave(
          "the coordinator sent \(byteCount) bytes as chunk \(chunk) of the \(header.vector) at the wrong time or size")
        return
      }
      prepared.parameters.add(chunk, step: step)
      state = .ready(prepared)
      actions.append(.store(chunk: chunk, step: step))
    case (.assign, _, .ready(var prepared)):
      state = .over
      guard begin(header, &prepared) else {
        leave("the coordinator assigned leaves \(header.leaves) of step \(header.step), which cannot be computed now")
        return
      }
      state = .ready(prepared)
    default: leave("the coordinator sent an unexpected \(header.kind) message")
    }
  }

  private mutating func begin(_ header: Header, _ prepared: inout Prepared) -> Bool {
    // Training does not read the statistics.
    let needed = header.task == .train ? prepared.chunks.parameterChunks : prepared.chunks.count
    guard prepared.work == nil, let step = Int(exactly: header.step),
      prepared.parameters.holds(0..<needed, step: step), let task = StepTask(header.task, step: step)
    else { return false }
    switch task {
    case .train: guard step < prepared.plan.totalSteps else { return false }
    case .evaluate(_, let part): guard prepared.plan.count(part) > 0 else { return false }
    }
    let tree = prepared.plan.tree(task)
    let leaves = header.leafRange
    guard !leaves.isEmpty, leaves.upperBound <= tree.leafCount else { return false }
    prepared.work = Work(task: task, sums: PartialSums(tree), unpushedNodes: Set(tree.maximalNodes(in: leaves)))
    let rows = prepared.plan.positions(of: 0..<1, in: task).count
    let most = prepared.plan.rows(atMost: SchedulingPolicy.maximumPieceRows)
    for piece in pieces(of: leaves, in: tree, threads: threads, rowsPerLeaf: rows, mostRows: most) {
      actions.append(.compute(piece, task))
    }
    return true
  }

  /// Pushes a complete node, or keeps it until its sibling is complete.
  private mutating func addNode(_ node: Node, _ metrics: NodeMetrics) {
    guard case .ready(var prepared) = state, var work = prepared.work else {
      // It belongs to a session that is over.
      actions.append(.release(node))
      return
    }
    state = .over
    work.metrics[node] = metrics
    if work.unpushedNodes.remove(node) != nil {
      push(node, metrics, of: work, prepared.chunks)
    } else if case .paired(let left, let right, let parent, _) = work.sums.insert(node) {
      work.metrics[parent] = work.metrics.removeValue(forKey: left)! + work.metrics.removeValue(forKey: right)!
      if work.task.isTraining {
        actions.append(.combine(left: left, right: right))
      } else {
        prepared.work = work
        state = .ready(prepared)
        addNode(parent, work.metrics[parent]!)
        return
      }
    }
    prepared.work = work.unpushedNodes.isEmpty ? nil : work
    state = .ready(prepared)
  }

  private mutating func addSum(_ node: Node, nonFinite tensor: Int?) {
    guard case .ready(let prepared) = state, var metrics = prepared.work?.metrics[node] else {
      actions.append(.release(node))
      return
    }
    if let tensor, metrics.flaw == nil { metrics.flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor) }
    addNode(node, metrics)
  }

  private mutating func push(_ node: Node, _ metrics: NodeMetrics, of work: Work, _ chunks: ChunkLayout) {
    func header(_ kind: MessageKind, chunk: Int, payloadLength: Int) -> Header {
      Header(
        kind, run: run, session: session, step: UInt64(work.task.step), leaves: UInt32(node.start)..<UInt32(node.end),
        chunk: UInt32(chunk), task: work.task.kind,
        vector: kind == .push ? chunks.kind(chunk) : .parameters, payloadLength: UInt64(payloadLength),
        weight: kind == .push ? metrics.weight : 0)
    }
    if work.task.isTraining {
      // In stop mode a non-finite gradient must not update anything.
      let isPushed = metrics.flaw == nil || onNonFinite == .skip
      for chunk in 0..<chunks.count where isPushed {
        let push = header(.push, chunk: chunk, payloadLength: chunks.byteCount(chunk))
        actions.append(.send(push, .gradient(node, chunk: chunk)))
      }
      actions.append(.release(node))
    }
    actions.append(
      .send(header(.metrics, chunk: 0, payloadLength: NodeMetrics.size(sums: metrics.sums.count)), .metrics(metrics)))
  }

  private mutating func tick(at now: Instant) {
    let pause = now.seconds(since: lastTick)
    lastTick = now
    if pause > limits.silenceLimit, case .connecting(let since) = state {
      // This process was stopped: messages that came meanwhile are not read yet.
      state = .connecting(since: min(now, since.advanced(by: pause)))
    }
    if case .connecting(let since) = state {
      if let lostSince, now.seconds(since: lostSince) > limits.reconnectTimeout {
        fail(
          "the coordinator at \(address) has been gone for \(Int(limits.reconnectTimeout)) s (--reconnect-timeout): \(handshakeProblem ?? "it has ended or cannot be reached")"
        )
      } else if lostSince == nil && now.seconds(since: since) > limits.connectTimeout {
        fail(
          handshakeProblem.map {
            "the coordinator at \(address) cannot be joined, after \(Int(limits.connectTimeout)) s: \($0)"
          }
            ?? "no coordinator answers at \(address) after \(Int(limits.connectTimeout)) s: start one with "
            + "`lockstep coordinator --bind \(address)`, or give its address as --connect")
      } else if now.seconds(since: lastHello) > limits.silenceLimit {
        // The first HELLO may have gone to a coordinator that was ending.
        sendHello(at: now)
      }
      return
    }
    guard now.seconds(since: lastHeard) <= limits.silenceLimit else {
      loseSession(
        "the coordinator at \(address) has been silent for \(Int(limits.silenceLimit)) s: it has ended or cannot be reached",
        at: now)
      return
    }
    // Answering pings is not enough: over a slow link they may queue behind parameters.
    if now.seconds(since: lastPing) >= limits.pingInterval {
      lastPing = now
      send(.ping)
    }
  }
}
