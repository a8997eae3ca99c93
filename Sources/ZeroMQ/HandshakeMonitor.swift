internal import CZeroMQ
internal import Foundation
internal import Synchronization

package struct HandshakeFailure: Equatable, Sendable {
  package enum Reason: Equatable, Sendable {
    /// The peer rejected this side's key.
    case refused
    /// Only one side encrypts.
    case otherMechanism
    /// The peer sent another protocol, or used other keys.
    case malformed
    /// The peer closed the connection during the handshake, or was too slow.
    case broken
  }

  package let reason: Reason
  /// The peer's IP address; nil if the connection was closed before the look-up.
  package let peer: String?
}

/// Reports a socket's failed handshakes, on its own thread, until it is deallocated.
package final class HandshakeMonitor: Sendable {
  private let thread: SocketThread

  /// Must be created before `socket` listens or connects.
  ///
  /// - Parameter failed: called with each failure, on the monitor's thread.
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

  /// ZeroMQ's failure events do not name the connection; only the disconnection that follows does. If a handshake fails
  /// at once, the disconnection is the only event.
  private struct State {
    /// By descriptor: the peer's address, and the number of successful handshakes when it was accepted.
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
        // No handshake has succeeded since this connection was accepted, so its own has failed.
        if reason == nil, let connection, connection.successes == successes { reason = .malformed }
        return reason.map { HandshakeFailure(reason: $0, peer: connection?.peer) }
      default: break
      }
      return nil
    }
  }
}

/// The IP address of the connection's peer; nil if the connection is closed.
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
