internal import CZeroMQ

/// A ZeroMQ context: its I/O threads and the sockets made from it.
///
/// Deallocation waits until the sockets' unsent messages have been sent or their linger time is over.
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
