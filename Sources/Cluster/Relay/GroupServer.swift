internal import Foundation
internal import Kernels
internal import Protocol
internal import Reduction
internal import ZeroMQ

/// Serves the members behind this one: hands their messages on, each over a connection of its own, adds their sums, and
/// passes parameters on. Carries out what ``GroupMachine`` decides.
///
/// Only the thread that made it may use it.
final class GroupServer {
  /// Names this member in the HELLOs of those behind, another one for each session: else the coordinator could take a HELLO
  /// that overtakes this member's own for one behind its former session.
  private(set) var id = RelayOffer.newID
  private let router: Socket
  /// Makes a connection to where this member's own messages go.
  private let connect: () throws -> Socket
  private var machine: GroupMachine
  private var sums = RelaySums()
  private var onNonFinite = NonFinitePolicy.stop
  /// The connections of those behind to the coordinator.
  private var upstream: [GroupMachine.Peer: Socket] = [:]
  /// What those behind said, until their WELCOME.
  private var hellos: [GroupMachine.Peer: Hello] = [:]
  /// Whether ``sockets`` have changed since they were last asked for.
  private(set) var hasNewSockets = false

  init(_ router: Socket, _ limits: Limits, connect: @escaping () throws -> Socket) {
    (self.router, self.connect) = (router, connect)
    machine = GroupMachine(limits: limits)
  }

  var hasMembers: Bool { machine.hasMembers }
  var awaitsAnswers: Bool { machine.awaitsAnswers }

  func sockets() -> [Socket] {
    hasNewSockets = false
    return Array(upstream.values)
  }

  func load(_ plan: StepPlan, _ chunks: ChunkLayout, _ onNonFinite: NonFinitePolicy) throws {
    sums.chunks = chunks
    self.onNonFinite = onNonFinite
    try handle(.loaded(plan, chunks))
  }

  /// Handles a message of a member behind. Gives the sums that it completes.
  func receive(_ frames: Frames, from peer: GroupMachine.Peer) throws -> [RelaySums.Push] {
    var payload: FloatBuffer?
    switch frames.header.kind {
    case .hello:
      guard let hello = try? frames.decode(Hello.self) else { return [] }
      if hello.relay?.id == id {
        // This member's own HELLO has come back, and so does the answer.
        try send(Header(.refuse), Message(Reason(reason: GroupServer.loop).encodedPayload()), to: peer)
        return []
      }
      guard hello.via?.contains(id) != true, machine.hasRoom(for: peer) else { return [] }
      hellos[peer] = hello
      return try handle(.hello(peer, isDirect: hello.via?.isEmpty ?? true))
    case .push:
      payload = frames.payload?.floats(of: frames.header.element)
      // In stop mode honest workers never push such a sum, and METRICS name the worker.
      if onNonFinite == .stop, payload?.values.areFinite == false { return [] }
    default: break
    }
    let byteCount = (payload?.count ?? 0) * frames.header.element.size
    return try handle(.fromBelow(frames.header, byteCount: byteCount, peer), payload, frames)
  }

  static let loop =
    "this relay and others connect to each other in a loop: none of them reaches a coordinator (--connect)"

  /// Handles the next message of the coordinator for each member behind.
  ///
  /// - Returns: whether there was any.
  func receiveFromAbove(_ push: ([RelaySums.Push]) throws -> Void) throws -> Bool {
    var hasReceived = false
    for (peer, socket) in upstream.sorted(by: { $0.key < $1.key }) {
      guard let received = try socket.receiveFrames(limit: 2) else { continue }
      hasReceived = true
      guard let frames = try? Frames(received.frames[...], total: received.total) else { continue }
      if frames.header.kind == .welcome { hellos[peer] = nil }
      try push(handle(.fromAbove(frames.header, peer), nil, frames))
    }
    return hasReceived
  }

  /// Adds a chunk of a node that this member has computed.
  func add(_ values: Floats, of node: Node, step: Int, chunk: Int) throws -> [RelaySums.Push] {
    // A copy, because the gradient must stay as it is until the next task.
    let copy = FloatBuffer(count: values.count)
    copy.all.copy(values)
    return try handle(.own(node, step: step, chunk: chunk), copy)
  }

  /// Passes a chunk of parameters on to those behind.
  func passOn(_ header: Header, _ payload: Message) throws {
    for case .pass(let peer, let session) in machine.handle(.parameters) {
      var header = header
      (header.kind, header.session, header.sharedSlot) = (.pass, session, 0)
      try send(header, Message(sharing: payload), to: peer)
    }
  }

  /// Handles an event of the member's own session.
  @discardableResult
  func handle(_ event: GroupMachine.Event, _ payload: FloatBuffer? = nil, _ frames: Frames? = nil) throws -> [RelaySums
    .Push]
  {
    if case .lost = event { id = RelayOffer.newID }
    var pushes: [RelaySums.Push] = []
    for action in machine.handle(event) {
      switch action {
      case .handUp(let peer):
        guard let frames, let socket = upstream[peer] else { continue }
        try socket.send(frames.header, frames.payload.map { Message(sharing: $0) })
      case .handUpWeight(let peer):
        guard let frames else { continue }
        try upstream[peer]?.send(frames.header, nil)
      case .handUpHello(let peer, let anew): try handUpHello(of: peer, anew: anew)
      case .handDown(let peer):
        guard let frames else { continue }
        try send(frames.header, frames.payload.map { Message(sharing: $0) }, to: peer)
      case .lose(let peer, let run, let session):
        try send(Header(.lost, run: run, session: session), nil, to: peer)
      case .sayGoodbye(let peer, let run, let session, let reason):
        let payload = Message(Reason(reason: reason).encodedPayload())
        try send(Header(.goodbye, run: run, session: session), payload, to: peer)
      case .disconnect(let peer):
        upstream.removeValue(forKey: peer)?.close()
        hellos[peer] = nil
        hasNewSockets = true
      case .pass: preconditionFailure("parameters are passed on with their payload")
      case .keep(let node, let chunk): sums.keep(node, chunk, payload)
      case .combine(let left, let right, let chunk): sums.combine(left, right, chunk)
      case .discard(let node, let chunk): sums.take(node, chunk)
      case .push(let node, let step, let chunk):
        pushes.append(RelaySums.Push(node: node, step: step, chunk: chunk, sum: sums.take(node, chunk)))
      case .clear: sums.removeAll()
      }
    }
    return pushes
  }

  private func handUpHello(of peer: GroupMachine.Peer, anew: Bool) throws {
    if anew { upstream.removeValue(forKey: peer)?.close() }
    guard var hello = hellos[peer] else { return }
    hello.via = (hello.via ?? []) + [id]
    guard hello.via!.count <= Hello.mostRelays else { return }
    if upstream[peer] == nil {
      upstream[peer] = try connect()
      hasNewSockets = true
    }
    let payload = Message(hello.encodedPayload())
    try upstream[peer]!.send(Header(.hello), payload)
  }

  private func send(_ header: Header, _ payload: Message?, to peer: GroupMachine.Peer) throws {
    if try !router.send(header, payload, to: peer) { try handle(.unreachable(peer)) }
  }
}
