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

  /// The capacity of a peer's send queue, in messages; 0 for no limit.
  package static func sendLimit(_ messages: Int32) -> SocketOption { .init(name: ZMQ_SNDHWM, value: .int32(messages)) }

  /// The capacity of a peer's receive queue, in messages; more stay with the peer. Frames of an incomplete message do
  /// not count.
  package static func receiveLimit(_ messages: Int32) -> SocketOption {
    .init(name: ZMQ_RCVHWM, value: .int32(messages))
  }

  /// The bytes that the system keeps of a connection's data that are sent and not acknowledged, or not sent yet.
  package static func sendBuffer(_ bytes: Int32) -> SocketOption { .init(name: ZMQ_SNDBUF, value: .int32(bytes)) }

  /// A system socket that already listens. The next ``Socket/bind(_:)`` uses it and takes over its ownership.
  package static func listening(_ descriptor: Int32) -> SocketOption {
    .init(name: ZMQ_USE_FD, value: .int32(descriptor))
  }

  /// A ROUTER's send to a peer that is gone throws instead of dropping the message silently.
  package static let reportsGonePeers = SocketOption(name: ZMQ_ROUTER_MANDATORY, value: .int32(1))

  /// How long sent data may stay unacknowledged before the TCP connection is closed, in milliseconds. The system's
  /// default is many minutes.
  package static func longestRetransmission(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_TCP_MAXRT, value: .int32(milliseconds))
  }

  /// The timeout of a handshake, in milliseconds; then the connection is closed.
  package static func handshakeInterval(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_HANDSHAKE_IVL, value: .int32(milliseconds))
  }

  /// The timeout of an attempt to connect, in milliseconds.
  package static func connectTimeout(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_CONNECT_TIMEOUT, value: .int32(milliseconds))
  }

  /// The longest pause between two attempts to connect, in milliseconds.
  package static func longestReconnectInterval(milliseconds: Int32) -> SocketOption {
    .init(name: ZMQ_RECONNECT_IVL_MAX, value: .int32(milliseconds))
  }
}
