internal import CZeroMQ

/// A ZeroMQ context: its I/O threads and the sockets made from it.
///
/// Closing waits until what its sockets still hold has been sent or their linger time is over.
package final class Context: @unchecked Sendable {
  // Sendable: a zmq context is safe to use from any thread, and `handle` never changes.
  let handle: UnsafeMutableRawPointer

  /// A context with one I/O thread.
  package init() {
    guard let handle = zmq_ctx_new() else { preconditionFailure("out of memory for a ZeroMQ context") }
    self.handle = handle
  }

  deinit {
    while zmq_ctx_term(handle) != 0 && zmq_errno() == EINTR {}
  }
}

/// The C library's memory, for programs that exchange large messages.
package enum Allocator {
  /// Has the C library keep what is freed: for the whole process, so a program calls it, before its first message.
  ///
  /// ZeroMQ allocates memory for each message that comes. The C library gives blocks of a chunk's size back to the system
  /// when they are freed, and then each page of the next message costs a fault: a third of the bytes a second.
  package static func keepFreedMemory() {
    #if canImport(Glibc)
      mallopt(M_MMAP_THRESHOLD, 32 << 20)
      mallopt(M_TRIM_THRESHOLD, 256 << 20)
      mallopt(M_TOP_PAD, 64 << 20)
    #endif
  }
}
