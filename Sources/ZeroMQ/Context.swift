internal import CZeroMQ

/// A ZeroMQ context: its I/O threads and the sockets made from it.
///
/// Closing waits until what its sockets still hold has been sent or their linger time is over.
public final class Context: @unchecked Sendable {
  // Sendable: a zmq context is safe to use from any thread, and `handle` never changes.
  let handle: UnsafeMutableRawPointer

  /// A context with one I/O thread.
  public init() {
    guard let handle = zmq_ctx_new() else { preconditionFailure("out of memory for a ZeroMQ context") }
    self.handle = handle
  }

  deinit {
    while zmq_ctx_term(handle) != 0 && zmq_errno() == EINTR {}
  }
}
