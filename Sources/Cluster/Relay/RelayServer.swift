internal import Kernels
internal import Protocol
internal import Reduction
internal import ZeroMQ

/// Where a member listens to be others' relay.
package struct RelaySettings: Sendable {
  let endpoint: String
  let security: CoordinatorSecurity?
  let advertise: @Sendable (String) throws -> String

  /// - Parameters:
  ///   - endpoint: the address to bind.
  ///   - security: its key, and whom it admits; nil admits anyone.
  ///   - advertise: what others connect to, given the address with the port that the system chose.
  package init(
    binding endpoint: String, security: CoordinatorSecurity?,
    advertise: @escaping @Sendable (String) throws -> String
  ) {
    (self.endpoint, self.security, self.advertise) = (endpoint, security, advertise)
  }
}

/// Sums chunks of other members, and passes parameters on to them. Carries out what ``RelayMachine`` decides.
///
/// Only the thread that made it may use it.
final class RelayServer {
  private let address: String
  private let key: String?
  let socket: Socket
  private let listener: Listener
  /// Serves the members behind this one.
  let group: GroupServer
  private var machine: RelayMachine?
  private var sums = RelaySums()
  private var onNonFinite = NonFinitePolicy.stop

  /// Listens.
  ///
  /// - Throws: ``TrainingError`` if it cannot listen on the address.
  init(
    _ context: Context, _ settings: RelaySettings, _ limits: Limits, connect: @escaping () throws -> Socket,
    warn: @escaping @Sendable (String) -> Void
  ) throws {
    socket = try Socket(context, .router)
    listener = try Listener(socket, of: context, settings.security, report: warn)
    try socket.set(.linger(milliseconds: 1000))
    try socket.set(.reportsGonePeers)
    try socket.set(.sendBuffer(RelayLinks.sendBuffer))
    try socket.set(.longestRetransmission(milliseconds: limits.silenceLimitMilliseconds))
    try socket.set(.handshakeInterval(milliseconds: limits.silenceLimitMilliseconds))
    try socket.set(.maximumMessageSize(Int64(RelayServer.largestMessage + CurveKeyPair.messageOverhead)))
    try checkEndpoint(settings.endpoint, of: "bind")
    try socket.listen(settings.endpoint)
    address = try settings.advertise(try socket.lastEndpoint)
    key = settings.security.map { "\($0.pair.publicKey)" }
    group = GroupServer(socket, limits, connect: connect)
  }

  /// What HELLO says of it.
  var offer: RelayOffer { RelayOffer(id: group.id, address: address, key: key) }

  /// A chunk has at most ``ChunkLayout/defaultSize`` values unless the coordinator says otherwise.
  private static let largestMessage = ChunkLayout.defaultSize * MemoryLayout<Float>.size

  /// Begins to serve a job.
  func load(_ plan: StepPlan, _ chunks: ChunkLayout, _ onNonFinite: NonFinitePolicy) throws {
    machine = RelayMachine(plan, chunks)
    self.onNonFinite = onNonFinite
    sums.removeAll()
    sums.chunks = chunks
    try group.load(plan, chunks, onNonFinite)
  }

  /// The next message of another member.
  func receive() throws(ZeroMQError) -> ReceivedFrames? { try socket.receiveFrames(limit: 3) }

  /// Handles a message of another member; what is malformed is ignored. Gives the sums that it completes.
  func handle(_ received: ReceivedFrames) throws -> [RelaySums.Push] {
    guard let peer = RelayMachine.Peer(identity: received.frames[0].bytes) else { return [] }
    let frames: Frames
    do throws(WireError) {
      frames = try Frames(received.frames.dropFirst(), total: received.total - 1)
    } catch {
      // Workers of every version can read a REFUSE.
      if case .version = error {
        let reason = Reason(reason: "\(error); install the same version on both machines")
        try send(Header(.refuse), Message(reason.encodedPayload()), to: peer)
      }
      return []
    }
    guard let ticket = machine?.ticket, frames.header.session == ticket else {
      return try group.receive(frames, from: peer)
    }
    let payload = frames.payload?.floats(of: frames.header.element)
    // In stop mode honest workers never push such a sum. Without it the root does not come, and the coordinator asks for
    // its parts and names the worker.
    if onNonFinite == .stop, frames.header.kind == .push, payload?.values.areFinite == false { return [] }
    return try handle(
      .received(frames.header, byteCount: (payload?.count ?? 0) * frames.header.element.size, from: peer), payload)
  }

  /// Adds a chunk of a node that this member has computed.
  func add(_ values: Floats, of node: Node, step: Int, chunk: Int) throws -> [RelaySums.Push] {
    // A copy, because the gradient must stay as it is until the next task.
    let copy = FloatBuffer(count: values.count)
    copy.all.copy(values)
    return try handle(.own(node, step: step, chunk: chunk), copy)
  }

  /// Handles an event of the member's own session.
  @discardableResult
  func handle(_ event: RelayMachine.Event, _ payload: FloatBuffer? = nil) throws -> [RelaySums.Push] {
    var pushes: [RelaySums.Push] = []
    for action in machine?.handle(event) ?? [] {
      switch action {
      case .pong(let header, let peer): try send(header, nil, to: peer)
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

  /// Passes a chunk of parameters on to all members that are connected.
  func passOn(_ header: Header, _ payload: Message) throws {
    try group.passOn(header, payload)
    guard let machine, let ticket = machine.ticket else { return }
    var header = header
    (header.kind, header.session, header.sharedSlot) = (.parameters, ticket, 0)
    for peer in machine.peers { try send(header, Message(sharing: payload), to: peer) }
  }

  private func send(_ header: Header, _ payload: Message?, to peer: RelayMachine.Peer) throws {
    if try !socket.send(header, payload, to: peer) { _ = machine?.handle(.unreachable(peer)) }
  }
}
