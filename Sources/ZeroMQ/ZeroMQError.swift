internal import CZeroMQ

/// A failed call of ZeroMQ.
package struct ZeroMQError: Error, Equatable, CustomStringConvertible {
  /// The `errno` that ZeroMQ left.
  package let code: Int32
  /// What failed, such as "bind tcp://127.0.0.1:5555".
  package let operation: String

  init(_ operation: String) {
    code = zmq_errno()
    self.operation = operation
  }

  /// Another process uses the address (`EADDRINUSE`).
  package var isAddressInUse: Bool { code == EADDRINUSE }

  /// A ROUTER socket no longer has this peer (`EHOSTUNREACH`).
  package var isPeerGone: Bool { code == EHOSTUNREACH }

  /// A sentence such as "cannot bind tcp://127.0.0.1:80: Permission denied".
  package var description: String { "cannot \(operation): \(String(cString: zmq_strerror(code)))" }
}
