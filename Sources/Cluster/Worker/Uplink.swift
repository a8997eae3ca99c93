internal import Protocol
internal import Synchronization
internal import ZeroMQ

/// Makes connections to where this member's messages go: the coordinator, or a relay.
///
/// Only the thread that made it may use it.
final class Uplink {
  private let context: Context
  private let limits: Limits
  private var address: String
  private var security: WorkerSecurity?
  /// Where it connected first.
  private let origin: (address: String, security: WorkerSecurity?)

  init(_ context: Context, _ address: String, _ security: WorkerSecurity?, _ limits: Limits) {
    (self.context, self.address, self.security, self.limits) = (context, address, security, limits)
    origin = (address, security)
  }

  /// Goes another way from now on.
  ///
  /// - Returns: false if it cannot, because the address or key is not one for this member.
  func set(_ way: Ways.Alternative) -> Bool {
    guard way.address != origin.address else {
      (address, security) = origin
      return true
    }
    guard way.address.hasPrefix("tcp://"), (try? checkEndpoint(way.address, of: "connect")) != nil else { return false }
    if let security {
      guard let key = way.key.flatMap({ CurveKey(base64: $0) }) else { return false }
      self.security = WorkerSecurity(security.pair, coordinator: key)
    }
    address = way.address
    return true
  }

  /// Starts to connect.
  ///
  /// - Throws: ``TrainingError`` if the address is none.
  func connect() throws -> Socket {
    let socket = try Socket(context, .dealer)
    try start(socket)
    return socket
  }

  /// The same for the member's own messages; handshakes that fail go to `mailbox`.
  func connect(reportingTo mailbox: WorkerMailbox) throws -> (Socket, HandshakeMonitor) {
    let socket = try Socket(context, .dealer)
    let isExplained = Mutex(false)
    let monitor = try HandshakeMonitor(socket, of: context) { [notices = mailbox.notices, address, security] failure in
      // A connection that breaks off does not say why; an earlier one may have.
      let isNews = isExplained.withLock { isExplained in
        defer { isExplained = isExplained || failure.reason != .broken }
        return failure.reason != .broken || !isExplained
      }
      if isNews { notices.post(.handshakeFailed(failure.explanation(address, security))) }
    }
    try start(socket)
    return (socket, monitor)
  }

  private func start(_ socket: Socket) throws {
    if let security { try socket.secure(asClient: security.pair, of: security.coordinator) }
    try socket.set(.linger(milliseconds: 1000))
    try socket.set(.sendLimit(0))  // no limit: at most one assignment's gradients are in flight
    try socket.set(.longestReconnectInterval(milliseconds: 1000))
    // After a link was cut: give up the old connection soon, and try new ones often.
    try socket.set(.longestRetransmission(milliseconds: limits.silenceLimitMilliseconds))
    try socket.set(.connectTimeout(milliseconds: 2000))
    do {
      try socket.connect(address)
    } catch {
      throw TrainingError("--connect \(address): \(error); an address is tcp://HOST:PORT or ipc://PATH")
    }
  }
}

extension HandshakeFailure {
  /// What the failure means for a worker that connects to `address`.
  fileprivate func explanation(_ address: String, _ security: WorkerSecurity?) -> String {
    guard let security else {
      return reason == .otherMechanism
        ? "it wants keys: give --key and --coordinator-key" : "its connection breaks off in the handshake"
    }
    return switch reason {
    case .refused: "it refuses this worker's key: add \(security.pair.publicKey) to its --authorized-keys"
    case .otherMechanism: "it has no keys: start it with --key and --authorized-keys, or this worker with --insecure"
    case .malformed, .broken: "the handshake fails: is \(security.coordinator) its key (--coordinator-key)?"
    }
  }
}
