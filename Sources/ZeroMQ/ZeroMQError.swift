internal import CZeroMQ

/// What ZeroMQ said was wrong: its error number, and what was being done with what.
package struct ZeroMQError: Error, Equatable, CustomStringConvertible {
  /// The `errno` that ZeroMQ left.
  package let code: Int32
  /// The call and the thing it was about, such as "bind tcp://127.0.0.1:5555".
  package let operation: String

  init(_ operation: String) {
    code = zmq_errno()
    self.operation = operation
  }

  /// The address is another process's already (`EADDRINUSE`).
  package var isAddressInUse: Bool { code == EADDRINUSE }

  /// A ROUTER socket has no such peer any more (`EHOSTUNREACH`).
  package var isPeerGone: Bool { code == EHOSTUNREACH }

  /// A sentence such as "cannot bind tcp://127.0.0.1:80: Permission denied".
  package var description: String { "cannot \(operation): \(String(cString: zmq_strerror(code)))" }
}
