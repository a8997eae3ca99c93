internal import CZeroMQ

/// One frame: bytes that ZeroMQ owns, or borrows from a buffer that it retains.
package final class Message: @unchecked Sendable {
  // Sendable: one thread at a time uses it.
  // On the heap because a zmq_msg_t must not move while its bytes are borrowed.
  let handle: UnsafeMutablePointer<zmq_msg_t>

  /// An empty frame, to receive into or to send as a separator.
  package init() {
    handle = .allocate(capacity: 1)
    zmq_msg_init(handle)
  }

  /// A frame of `count` bytes, to be written through ``mutableBytes``.
  package init(count: Int) {
    handle = .allocate(capacity: 1)
    let status = zmq_msg_init_size(handle, count)
    precondition(status == 0, "out of memory for a frame of \(count) bytes")
  }

  /// A frame with a copy of `bytes`.
  package convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init(count: bytes.count)
    mutableBytes.copyMemory(from: bytes)
  }

  /// A frame that lends `bytes` to ZeroMQ without copying. ZeroMQ retains `owner`, and releases it on a thread of its
  /// own once they are sent. The bytes must not change until then.
  package init(lending bytes: UnsafeRawBufferPointer, of owner: AnyObject) {
    handle = .allocate(capacity: 1)
    let retained = Unmanaged.passRetained(owner).toOpaque()
    let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
    let status = zmq_msg_init_data(handle, base, bytes.count, releaseOwner, retained)
    precondition(status == 0, "out of memory for a frame")
  }

  /// A frame with the same bytes as `other`, which are not copied. Neither may be written.
  package convenience init(sharing other: Message) {
    self.init()
    let status = zmq_msg_copy(handle, other.handle)
    precondition(status == 0, "a frame that was sent cannot be shared")
  }

  deinit {
    zmq_msg_close(handle)
    handle.deallocate()
  }

  /// The frame's size in bytes.
  package var count: Int { zmq_msg_size(handle) }

  /// Whether another frame of the same message follows; known for received frames.
  package var hasMore: Bool { zmq_msg_more(handle) != 0 }

  /// The sender of a received frame: an IP address, or `localhost:UID:GID:PID` over a Unix socket; nil if unknown.
  package var peerAddress: String? { zmq_msg_gets(handle, "Peer-Address").map { String(cString: $0) } }

  /// The bytes of a frame that was received or made by ``init(count:)``, to write. Never of a lent frame.
  package var mutableBytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: zmq_msg_data(handle), count: zmq_msg_size(handle))
  }

  /// The frame's bytes, valid while the message lives and has not been sent.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: zmq_msg_data(handle), count: zmq_msg_size(handle))
  }
}

/// ZeroMQ calls this from its own threads, so it must not be isolated to an actor.
private nonisolated func releaseOwner(_: UnsafeMutableRawPointer?, _ owner: UnsafeMutableRawPointer?) {
  guard let owner else { return }
  Unmanaged<AnyObject>.fromOpaque(owner).release()
}
