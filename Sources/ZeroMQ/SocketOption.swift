internal import CZeroMQ

/// A socket option with its value.
package struct SocketOption: Sendable {
  enum Value: Sendable {
    case int32(Int32)
    case int64(Int64)
  }
  let name: Int32
  let value: Value

  /// How long closing the socket waits for unsent messages, in milliseconds.
  package static func linger(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_LINGER, value: .int32(milliseconds))
  }

  /// The largest frame that is accepted, in bytes; a peer that sends a larger one is disconnected.
  package static func maximumMessageSize(_ bytes: Int64) -> SocketOption {
    .init(name: ZMQ_MAXMSGSIZE, value: .int64(bytes))
  }

  /// How many messages may wait to be sent to one peer; 0 for no limit.
  package static func sendLimit(_ messages: Int32) -> SocketOption { .init(name: ZMQ_SNDHWM, value: .int32(messages)) }

  /// How many received messages may wait to be taken, of each peer; more stay with the peer. Frames of a message whose end
  /// has not come do not count.
  package static func receiveLimit(_ messages: Int32) -> SocketOption {
    .init(name: ZMQ_RCVHWM, value: .int32(messages))
  }

  /// A socket of the system that listens already, for the next ``Socket/bind(_:)``, which closes it in the end.
  package static func listening(_ descriptor: Int32) -> SocketOption {
    .init(name: ZMQ_USE_FD, value: .int32(descriptor))
  }

  /// A ROUTER's send to a peer that is gone throws instead of dropping the message silently.
  package static let reportsGonePeers = SocketOption(name: ZMQ_ROUTER_MANDATORY, value: .int32(1))

  /// How long a TCP connection may leave what was sent unanswered before it is closed, in milliseconds; by default the
  /// system tries for many minutes, at ever longer intervals.
  package static func longestRetransmission(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_TCP_MAXRT, value: .int32(milliseconds))
  }

  /// How long a peer may take for its handshake, in milliseconds; then its connection is closed.
  package static func handshakeInterval(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_HANDSHAKE_IVL, value: .int32(milliseconds))
  }

  /// How long an attempt to connect may take, in milliseconds.
  package static func connectTimeout(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_CONNECT_TIMEOUT, value: .int32(milliseconds))
  }

  /// The longest pause between two attempts to connect, in milliseconds.
  package static func longestReconnectInterval(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_RECONNECT_IVL_MAX, value: .int32(milliseconds))
  }
}
