package import Reduction

/// Decides what a relay does with the messages between the members behind it and the coordinator: it hands them on,
/// except that it adds the sums that they push along the tree, and passes parameters on that the coordinator sends once.
/// It has no socket, no clock and no bulk data.
///
/// It waits for the leaves that the coordinator has assigned to those behind it and to itself, of which it sees each
/// ASSIGN. A sum goes to the coordinator as soon as no other of these leaves can be added to it.
package struct GroupMachine {
  /// A connection's identity on the relay's socket.
  package typealias Peer = CoordinatorMachine.Peer

  package enum Event {
    /// This member has a session.
    case welcomed(run: UInt64)
    /// It knows the job.
    case loaded(StepPlan, ChunkLayout)
    /// This member's session is lost.
    case lost
    /// The run has ended, for this reason; nil if it is complete.
    case over(reason: String?)
    /// A peer behind asks for a session, by no other relay if it is direct. Another relay passes parameters on to it.
    case hello(Peer, isDirect: Bool)
    /// Another message of a peer behind. The driver holds the payload of `byteCount` bytes.
    case fromBelow(Header, byteCount: Int, Peer)
    /// A message of the coordinator for a peer behind. The driver holds its payload.
    case fromAbove(Header, Peer)
    /// This member's own assignment.
    case assigned(Header)
    /// A chunk of a node that this member has computed.
    case own(Node, step: Int, chunk: Int)
    /// Others compute the leaves of this session's assignment too.
    case unassigned(session: UInt64, step: Int)
    /// The driver holds parameters for those behind.
    case parameters
    /// A message could not be sent to a peer behind: the connection is gone.
    case unreachable(Peer)
    case tick(Instant)
  }

  package enum Action: Equatable {
    /// Hand the message on to the coordinator, over the peer's own connection.
    case handUp(Peer)
    /// Hand only the header of a PUSH on, with the weight of its node.
    case handUpWeight(Peer)
    case handDown(Peer)
    /// The same with the peer's HELLO, which the driver keeps until its WELCOME, over a new connection if there is none
    /// or if `anew`.
    case handUpHello(Peer, anew: Bool = false)
    /// Tell a peer that its session is over.
    case lose(Peer, run: UInt64, session: UInt64)
    /// Tell a peer that the run has ended, by the run and session that it knows.
    case sayGoodbye(Peer, run: UInt64, session: UInt64, reason: String?)
    /// End the peer's connection to the coordinator.
    case disconnect(Peer)
    /// Pass the parameters on to a peer, with the session that it knows.
    case pass(Peer, session: UInt64)
    /// Keep the payload just received, or a copy of the member's own chunk.
    case keep(Node, chunk: Int)
    /// Add the right sum to the left one, which becomes their parent's sum.
    case combine(left: Node, right: Node, chunk: Int)
    /// Drop the sum.
    case discard(Node, chunk: Int)
    /// Push the sum to the coordinator, and drop it.
    case push(Node, step: Int, chunk: Int)
    /// Drop all sums.
    case clear
  }

  /// A peer behind, from its HELLO on.
  private struct Member {
    /// 0 before WELCOME.
    var session: UInt64 = 0
    let isDirect: Bool
    /// Whether it takes parameters.
    var isReady = false
    /// Whether a message has come since the last tick.
    var isHeard = true
    /// The first tick after its last message.
    var quietSince = Instant(nanoseconds: 0)
  }

  /// A peer that was told that the run has ended, and has not answered.
  private struct Leaving {
    /// Whether a message has come since the last tick.
    var isHeard = true
    var quietSince = Instant(nanoseconds: 0)
  }

  package static let mostPeers = 1024

  private var job: (plan: StepPlan, chunks: ChunkLayout)?
  package private(set) var run: UInt64 = 0
  private var members: [Peer: Member] = [:]
  private var leaving: [Peer: Leaving] = [:]
  /// The first tick after one was told.
  private var leavingSince: Instant?
  /// Whether it waits for their answers no longer.
  private var isOutOfTime = false
  /// How the run has ended, and whether it has.
  private var end: (isOver: Bool, reason: String?) = (false, nil)
  /// The step that sums are of.
  private var step = -1
  private var tree = ReductionTree(leafCount: 1)
  /// The leaves to wait for, by session.
  private var awaited: [UInt64: Range<Int>] = [:]
  /// All leaves that were assigned in this step to those behind and to this member: disjoint ranges in order.
  private var assigned: [Range<Int>] = []
  /// The awaited leaves: disjoint ranges in order.
  private var expected: [Range<Int>] = []
  private var chunks: [Int: Chunk] = [:]
  /// The nodes of which the coordinator has the weight. Without it no chunk could be updated before the members' METRICS,
  /// which come after all of their PUSHes.
  private var weighed: Set<Node> = []

  private struct Chunk {
    var sums: PartialSums
    /// What was pushed, so that it is not pushed again.
    var pushed: Set<Node> = []
  }

  private let limits: Limits

  package init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// Whether anyone behind has a session.
  package var hasMembers: Bool { members.contains { $0.value.session != 0 } }

  /// Whether peers behind have still to answer that they know of the end. What is on its way to them would be lost with
  /// this member.
  package var awaitsAnswers: Bool { !leaving.isEmpty }

  /// Those behind that have a session.
  package var sessions: [(peer: Peer, session: UInt64)] {
    members.filter { $0.value.session != 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value.session) }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .welcomed(let run):
      self.run = run
      (leavingSince, isOutOfTime) = (nil, false)
      // Until now the coordinator did not know on whose behalf they came.
      return members.filter { $0.value.session == 0 }.keys.sorted().map { .handUpHello($0) }
    case .loaded(let plan, let chunks):
      job = (plan, chunks)
      return []
    case .lost: return loseAll()
    case .over(let reason):
      end = (true, reason)
      // One without a session would ask for one until it gives up.
      return members.sorted { $0.key < $1.key }.map { sayGoodbye($0, session: $1.session) }
    case .hello(let peer, let isDirect): return greet(peer, isDirect: isDirect)
    case .fromBelow(let header, let byteCount, let peer): return receive(header, byteCount, fromBelow: peer)
    case .fromAbove(let header, let peer): return receive(header, fromAbove: peer)
    case .assigned(let header): return expect(header)
    case .own(let node, let step, let chunk):
      guard step == self.step else { return [] }
      return add(node, chunk)
    case .unassigned(let session, let step):
      guard step == self.step, awaited.removeValue(forKey: session) != nil else { return [] }
      return updateExpected()
    case .parameters:
      return ready.map { .pass($0, session: members[$0]!.session) }
    case .unreachable(let peer):
      let wasKnown = members.removeValue(forKey: peer) != nil
      return leaving.removeValue(forKey: peer) != nil || wasKnown ? [.disconnect(peer)] : []
    case .tick(let now): return tick(at: now)
    }
  }

  /// Forgets peers that ask for a session no longer. One with a session is the coordinator's to give up.
  private mutating func tick(at now: Instant) -> [Action] {
    for peer in members.keys where members[peer]!.isHeard {
      (members[peer]!.isHeard, members[peer]!.quietSince) = (false, now)
    }
    let gone = members.filter {
      $0.value.session == 0 && now.seconds(since: $0.value.quietSince) > 2 * limits.silenceLimit
    }.keys.sorted()
    for peer in gone { members[peer] = nil }
    return (gone + tickLeaving(at: now)).map { .disconnect($0) }
  }

  /// Gives those up that do not answer.
  private mutating func tickLeaving(at now: Instant) -> [Peer] {
    guard !leaving.isEmpty else { return [] }
    let since = leavingSince ?? now
    leavingSince = since
    isOutOfTime = now.seconds(since: since) > limits.shutdownTimeout
    for peer in leaving.keys where leaving[peer]!.isHeard {
      (leaving[peer]!.isHeard, leaving[peer]!.quietSince) = (false, now)
    }
    let gone = leaving.filter {
      isOutOfTime || now.seconds(since: $0.value.quietSince) > limits.silenceLimit
    }.keys.sorted()
    for peer in gone { leaving[peer] = nil }
    return gone
  }

  private mutating func sayGoodbye(_ peer: Peer, session: UInt64) -> Action {
    members[peer] = nil
    if !isOutOfTime { leaving[peer] = Leaving() }
    return .sayGoodbye(peer, run: session == 0 ? 0 : run, session: session, reason: end.reason)
  }

  /// Those that take parameters from here, in a fixed order.
  private var ready: [Peer] { members.filter { $0.value.isReady && $0.value.isDirect }.keys.sorted() }

  /// Ends the sessions of all behind, and drops all sums.
  private mutating func loseAll() -> [Action] {
    let all = members.sorted { $0.key < $1.key }
    (members, step, awaited, assigned, expected, chunks, weighed) = ([:], -1, [:], [], [], [:], [])
    return all.filter { $0.value.session != 0 }.map { .lose($0.key, run: run, session: $0.value.session) }
      + all.map { .disconnect($0.key) } + [.clear]
  }

  /// Whether a peer that says HELLO can be served.
  package func hasRoom(for peer: Peer) -> Bool {
    members[peer] != nil || leaving[peer] != nil || members.count + leaving.count < GroupMachine.mostPeers
  }

  private mutating func greet(_ peer: Peer, isDirect: Bool) -> [Action] {
    guard hasRoom(for: peer) else { return [] }
    // The coordinator may wait for it.
    if end.isOver { return [.handUpHello(peer), sayGoodbye(peer, session: 0)] }
    let wasLeaving = leaving.removeValue(forKey: peer) != nil
    // Over a new connection it has a new session from now on; one that has none yet asks again.
    let former = members.updateValue(Member(isDirect: isDirect), forKey: peer)?.session ?? 0
    return [.handUpHello(peer, anew: former != 0 || wasLeaving)]
  }

  private mutating func receive(_ header: Header, _ byteCount: Int, fromBelow peer: Peer) -> [Action] {
    if leaving[peer] != nil {
      leaving[peer]!.isHeard = true
      // The coordinator, and relays on the way to it, wait for the answer too.
      guard header.kind == .goodbye else { return header.kind == .push ? [] : [.handUp(peer)] }
      leaving[peer] = nil
      return [.handUp(peer), .disconnect(peer)]
    }
    members[peer]?.isHeard = true
    guard let member = members[peer] else {
      // It takes this relay for one that it knew. Without an answer it would wait for ever.
      return header.kind == .goodbye ? [] : [.lose(peer, run: header.run, session: header.session)]
    }
    switch header.kind {
    case .push: break
    case .goodbye:
      // The coordinator tells by UNASSIGNED not to wait for its sums.
      members[peer] = nil
      return [.handUp(peer), .disconnect(peer)]
    case .ready:
      members[peer]!.isReady = true
      return [.handUp(peer)]
    default: return [.handUp(peer)]
    }
    guard let job, header.run == run, header.session == member.session, header.step == UInt64(clamping: step),
      byteCount == 0 ? header.weight > 0 : job.chunks.isGradient(header, byteCount: byteCount),
      tree.contains(header.leafRange),
      // The coordinator would take this member for the one that pushes what it was not to compute.
      assigned.contains(where: { header.leafRange.clamped(to: $0) == header.leafRange })
    else { return [] }
    let node = Node(header.leafRange)
    // Another relay has handed on the weight alone.
    guard byteCount > 0 else { return [.handUp(peer)] }
    let isFirst = header.weight > 0 && weighed.insert(node).inserted
    return (isFirst ? [.handUpWeight(peer)] : []) + add(node, Int(header.chunk))
  }

  private mutating func receive(_ header: Header, fromAbove peer: Peer) -> [Action] {
    guard members[peer] != nil else { return [] }
    var actions: [Action] = []
    switch header.kind {
    case .welcome: members[peer]!.session = header.session
    case .assign: actions = expect(header)
    case .lost, .refuse, .goodbye:
      let session = members.removeValue(forKey: peer)!.session
      awaited[session] = nil
      guard header.kind == .goodbye else { return [.handDown(peer), .disconnect(peer)] + updateExpected() }
      leaving[peer] = Leaving()
      return [.handDown(peer)] + updateExpected()
    default: break
    }
    return actions + [.handDown(peer)]
  }

  /// Waits for the leaves of an assignment.
  private mutating func expect(_ header: Header) -> [Action] {
    guard let job, header.task == .train, let step = Int(exactly: header.step), step >= self.step,
      step < job.plan.totalSteps
    else { return [] }
    var actions: [Action] = []
    if step > self.step {
      (self.step, tree, chunks) = (step, job.plan.tree(.train(step: step)), [:])
      (awaited, assigned, weighed) = ([:], [], [])
      actions.append(.clear)
    }
    guard header.leafRange.upperBound <= tree.leafCount else { return actions }
    awaited[header.session] = header.leafRange
    assigned = joined(assigned + [header.leafRange])
    return actions + updateExpected()
  }

  /// Pushes the sums that wait no longer, after the awaited leaves have changed.
  private mutating func updateExpected() -> [Action] {
    guard step >= 0 else { return [] }
    expected = joined(awaited.values)
    return chunks.keys.sorted().flatMap { pushComplete($0) }
  }

  /// Disjoint ranges in order, of which those that touch are one.
  private func joined(_ ranges: some Sequence<Range<Int>>) -> [Range<Int>] {
    ranges.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { joined, range in
      if let last = joined.last, range.lowerBound <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
  }

  private mutating func add(_ node: Node, _ chunk: Int) -> [Action] {
    var known = chunks[chunk] ?? Chunk(sums: PartialSums(tree))
    guard !known.pushed.contains(where: { $0.covers(node) }), let (changes, _) = known.sums.add(node) else {
      return []
    }
    chunks[chunk] = known
    return changes.map { Action($0, chunk: chunk) } + pushComplete(chunk)
  }

  /// Pushes the sums of a chunk to which nothing can be added.
  private mutating func pushComplete(_ chunk: Int) -> [Action] {
    let complete = chunks[chunk]!.sums.nodes.filter { !isWaiting($0, chunks[chunk]!) }.sorted { $0.start < $1.start }
    for node in complete {
      chunks[chunk]!.sums.remove(node)
      chunks[chunk]!.pushed.insert(node)
    }
    return complete.map { .push($0, step: step, chunk: chunk) }
  }

  /// Whether all leaves of the node's sibling are still to come: none of them is pushed without it.
  private func isWaiting(_ node: Node, _ chunk: Chunk) -> Bool {
    guard let sibling = tree.sibling(of: node) else { return false }
    return expected.contains { sibling.leaves.clamped(to: $0) == sibling.leaves }
      && !chunk.pushed.contains { $0.leaves.overlaps(sibling.leaves) }
  }
}

extension GroupMachine.Action {
  fileprivate init(_ change: PartialSums.Change, chunk: Int) {
    self =
      switch change {
      case .keep(let node): .keep(node, chunk: chunk)
      case .discard(let node): .discard(node, chunk: chunk)
      case .combine(let left, let right): .combine(left: left, right: right, chunk: chunk)
      }
  }
}
