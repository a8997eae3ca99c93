internal import CZeroMQ
internal import Foundation

/// A ZeroMQ socket, owned by the thread that created it. Use from another thread traps.
package final class Socket {
  /// The socket types in use.
  package enum Kind: Sendable {
    /// One peer; frames are sent as they are.
    case dealer
    /// Many peers; each message starts with a frame that names the peer.
    case router
    /// One peer, in this process.
    case pair

    var rawValue: Int32 {
      switch self {
      case .dealer: ZMQ_DEALER
      case .router: ZMQ_ROUTER
      case .pair: ZMQ_PAIR
      }
    }
  }

  let handle: UnsafeMutableRawPointer
  // Keeps the context from closing before its socket.
  private let context: Context
  private let owner = pthread_self()
  /// Of all frames so far, without what ZeroMQ adds to them.
  package private(set) var sentBytes = 0, receivedBytes = 0

  package init(_ context: Context, _ kind: Kind) throws(ZeroMQError) {
    guard let handle = zmq_socket(context.handle, kind.rawValue) else { throw ZeroMQError("open a socket") }
    (self.handle, self.context) = (handle, context)
  }

  deinit { if !isClosed { zmq_close(handle) } }

  /// Whether ``close()`` was called. The socket must not be used afterwards.
  package private(set) var isClosed = false

  /// Closes all connections and drops received messages. Unsent messages are still sent within the linger time.
  package func close() {
    checkOwner()
    if !isClosed { zmq_close(handle) }
    isClosed = true
  }

  private func checkOwner() {
    precondition(
      pthread_equal(owner, pthread_self()) != 0,
      "a ZeroMQ socket was used on a thread that does not own it; hand the work to the owner's queue instead")
  }

  /// Sets an option; most take effect for the connections made afterwards.
  package func set(_ option: SocketOption) throws(ZeroMQError) {
    checkOwner()
    let status =
      switch option.value {
      case .int32(var value): zmq_setsockopt(handle, option.name, &value, MemoryLayout<Int32>.size)
      case .int64(var value): zmq_setsockopt(handle, option.name, &value, MemoryLayout<Int64>.size)
      }
    guard status == 0 else { throw ZeroMQError("set socket option \(option.name)") }
  }

  /// Sets the option that has the number `name` in ZeroMQ.
  func set(_ name: Int32, _ value: Int32) throws(ZeroMQError) {
    try set(SocketOption(name: name, value: .int32(value)))
  }

  func set(_ name: Int32, _ bytes: [UInt8]) throws(ZeroMQError) {
    checkOwner()
    guard zmq_setsockopt(handle, name, bytes, bytes.count) == 0 else { throw ZeroMQError("set socket option \(name)") }
  }

  /// Listens on `endpoint`, such as `tcp://127.0.0.1:5555`, `tcp://127.0.0.1:*` or `ipc:///path`.
  package func bind(_ endpoint: String) throws(ZeroMQError) {
    checkOwner()
    guard zmq_bind(handle, endpoint) == 0 else { throw ZeroMQError("bind \(endpoint)") }
  }

  /// Starts connecting to `endpoint`; ZeroMQ retries in the background.
  package func connect(_ endpoint: String) throws(ZeroMQError) {
    checkOwner()
    guard zmq_connect(handle, endpoint) == 0 else { throw ZeroMQError("connect to \(endpoint)") }
  }

  /// The address last bound or connected, with the port that the system chose.
  package var lastEndpoint: String {
    get throws(ZeroMQError) {
      checkOwner()
      var size = 1024
      let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: size)
      defer { buffer.deallocate() }
      guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, buffer, &size) == 0 else {
        throw ZeroMQError("read the socket's address")
      }
      return String(cString: buffer)
    }
  }

  /// Sends `events` to a PAIR socket of this context that connects to `address`.
  func monitor(_ events: Int32, at address: String) throws(ZeroMQError) {
    checkOwner()
    guard zmq_socket_monitor(handle, address, events) == 0 else { throw ZeroMQError("watch a socket") }
  }

  /// Sends one frame, which is empty afterwards; `more` says that another frame of the same message follows.
  ///
  /// - Returns: false if the socket's queue is full; the frame is then unchanged.
  @discardableResult
  package func send(_ message: Message, more: Bool = false) throws(ZeroMQError) -> Bool {
    checkOwner()
    while true {
      let count = zmq_msg_send(message.handle, handle, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0))
      if count >= 0 {
        sentBytes += Int(count)
        return true
      }
      switch zmq_errno() {
      case EINTR: continue
      case EAGAIN: return false
      default: throw ZeroMQError("send")
      }
    }
  }

  /// The next frame; nil if none is waiting.
  package func receive() throws(ZeroMQError) -> Message? {
    checkOwner()
    let message = Message()
    while zmq_msg_recv(message.handle, handle, ZMQ_DONTWAIT) < 0 {
      switch zmq_errno() {
      case EINTR: continue
      case EAGAIN: return nil
      default: throw ZeroMQError("receive")
      }
    }
    receivedBytes += message.count
    return message
  }

  /// All frames of the next message; nil if none is waiting. At most `limit` frames are kept; the rest are received,
  /// counted and dropped.
  package func receiveFrames(limit: Int) throws(ZeroMQError) -> ReceivedFrames? {
    guard var frame = try receive() else { return nil }
    var received = ReceivedFrames(frames: [frame], total: 1)
    while frame.hasMore {
      guard let next = try receive() else { break }
      frame = next
      if received.total < limit { received.frames.append(next) }
      received.total += 1
    }
    return received
  }
}

/// One received message.
package struct ReceivedFrames {
  /// The first frames, up to the limit.
  package var frames: [Message]
  /// The number of frames that the message had.
  package var total: Int
}
