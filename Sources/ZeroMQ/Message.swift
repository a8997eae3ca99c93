internal import CZeroMQ

/// One frame: bytes that ZeroMQ owns, or borrows from a buffer that it keeps alive.
public final class Message: @unchecked Sendable {
  // Sendable: the bytes do not change after the message is made, and one thread at a time holds it.
  // On the heap because a zmq_msg_t must not move while its bytes are borrowed.
  let handle: UnsafeMutablePointer<zmq_msg_t>

  /// An empty frame, to receive into or to send as a separator.
  public init() {
    handle = .allocate(capacity: 1)
    zmq_msg_init(handle)
  }

  /// A frame with a copy of `bytes`.
  public init(copying bytes: UnsafeRawBufferPointer) {
    handle = .allocate(capacity: 1)
    precondition(zmq_msg_init_size(handle, bytes.count) == 0, "out of memory for a frame of \(bytes.count) bytes")
    if let base = bytes.baseAddress, bytes.count > 0 {
      zmq_msg_data(handle)!.copyMemory(from: base, byteCount: bytes.count)
    }
  }

  /// A frame that lends `bytes` to ZeroMQ without copying; they must not change while ZeroMQ holds `owner`, which it
  /// lets go, on a thread of its own, once they are sent.
  public init(lending bytes: UnsafeRawBufferPointer, of owner: AnyObject) {
    handle = .allocate(capacity: 1)
    let retained = Unmanaged.passRetained(owner).toOpaque()
    let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
    precondition(
      zmq_msg_init_data(handle, base, bytes.count, releaseOwner, retained) == 0, "out of memory for a frame")
  }

  deinit {
    zmq_msg_close(handle)
    handle.deallocate()
  }

  /// Another message over the same bytes, for sending them to several peers.
  public func shared() -> Message {
    let copy = Message()
    zmq_msg_copy(copy.handle, handle)
    return copy
  }

  /// How many bytes the frame has.
  public var count: Int { zmq_msg_size(handle) }

  /// Whether another frame of the same message follows; known for received frames.
  public var hasMore: Bool { zmq_msg_more(handle) != 0 }

  /// The frame's bytes, valid while the message lives and has not been sent.
  public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: zmq_msg_data(handle), count: zmq_msg_size(handle))
  }
}

/// ZeroMQ calls this from its own threads, so it must not be isolated to an actor.
private nonisolated func releaseOwner(_: UnsafeMutableRawPointer?, _ owner: UnsafeMutableRawPointer?) {
  guard let owner else { return }
  Unmanaged<AnyObject>.fromOpaque(owner).release()
}
