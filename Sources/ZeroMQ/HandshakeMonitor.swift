internal import CZeroMQ
internal import Foundation
internal import Synchronization

/// A handshake that came to nothing.
package struct HandshakeFailure: Equatable, Sendable {
  /// What was wrong.
  package enum Reason: Equatable, Sendable {
    /// The other side refused this side's key.
    case refused
    /// The other side does not encrypt as this one does: one has keys and the other none.
    case otherMechanism
    /// What the other side sent is no such protocol, or was made with other keys.
    case malformed
    /// The other side closed the connection in the middle, or was too slow.
    case broken
  }

  /// What was wrong.
  package let reason: Reason
  /// The peer's IP, where the connection was still open when it was looked up.
  package let peer: String?
}

/// Tells of a socket's handshakes that fail, on a thread of its own, until it is let go.
package final class HandshakeMonitor: Sendable {
  private let thread: SocketThread

  /// Begins to watch `socket`; to be made before it listens or connects.
  ///
  /// - Parameter failed: called with each failure, on the thread that watches.
  package init(
    _ socket: Socket, of context: Context, failed: @escaping @Sendable (HandshakeFailure) -> Void
  ) throws(ZeroMQError) {
    let address = "inproc://handshakes-\(UInt(bitPattern: ObjectIdentifier(socket)))"
    let state = Mutex(State())
    try socket.monitor(
      ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED
        | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
      at: address)
    thread = try SocketThread(context, .pair) { monitor throws(ZeroMQError) in
      try monitor.connect(address)
    } take: { _, message in
      guard message.frames[0].count == 6 else { return }
      let bytes = message.frames[0].bytes
      let event = Int32(bytes.loadUnaligned(as: UInt16.self))
      let value = bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self)
      if let failure = state.withLock({ $0.take(event, value) }) { failed(failure) }
    }
  }

  /// What is known of the connections. ZeroMQ names a failed handshake's connection only by what comes next, that it is
  /// closed; and of one that fails at once it tells nothing else.
  private struct State {
    /// By descriptor: the peer's address, and how many handshakes had succeeded when it was accepted.
    var accepted: [Int32: (peer: String?, successes: Int)] = [:]
    var successes = 0
    var reason: HandshakeFailure.Reason?

    mutating func take(_ event: Int32, _ value: Int32) -> HandshakeFailure? {
      switch event {
      case ZMQ_EVENT_ACCEPTED: accepted[value] = (peerAddress(of: value), successes)
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: successes += 1
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: reason = .refused
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        reason = value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? .otherMechanism : .malformed
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: reason = reason ?? .broken
      case ZMQ_EVENT_DISCONNECTED:
        let connection = accepted.removeValue(forKey: value)
        defer { reason = nil }
        // Where none has succeeded since, this one has not.
        if reason == nil, let connection, connection.successes == successes { reason = .malformed }
        return reason.map { HandshakeFailure(reason: $0, peer: connection?.peer) }
      default: break
      }
      return nil
    }
  }
}

/// The IP at the other end of a connection.
private func peerAddress(of descriptor: Int32) -> String? {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  return withUnsafeMutablePointer(to: &storage) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      guard getpeername(descriptor, address, &length) == 0 else { return nil }
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      guard getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else { return nil }
      return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }
}
