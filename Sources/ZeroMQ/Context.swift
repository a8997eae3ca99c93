internal import CZeroMQ

/// A ZeroMQ context: its I/O threads and the sockets made from it.
///
/// Deallocation waits until the sockets' unsent messages have been sent or their linger time is over.
package final class Context: @unchecked Sendable {
  // Sendable: a zmq context is safe to use from any thread, and `handle` never changes.
  let handle: UnsafeMutableRawPointer

  /// - Parameter encrypts: whether several of its connections encrypt, which may take all of an I/O thread's time: then there
  ///   are two such threads, which share the connections.
  package init(encrypts: Bool = false) {
    guard let handle = zmq_ctx_new() else { preconditionFailure("out of memory for a ZeroMQ context") }
    self.handle = handle
    if encrypts { zmq_ctx_set(handle, ZMQ_IO_THREADS, 2) }
  }

  deinit {
    while zmq_ctx_term(handle) != 0 && zmq_errno() == EINTR {}
  }
}

package enum Allocator {
  /// Makes the C library keep freed memory, in the whole process. Programs call it before their first message.
  ///
  /// ZeroMQ allocates memory for each received message. By default the C library returns large freed blocks to the
  /// system, and then each page of the next message causes a page fault, which costs a third of the throughput.
  package static func keepFreedMemory() {
    #if canImport(Glibc)
      mallopt(M_MMAP_THRESHOLD, 32 << 20)
      mallopt(M_TRIM_THRESHOLD, 256 << 20)
      mallopt(M_TOP_PAD, 64 << 20)
    #endif
  }
}
