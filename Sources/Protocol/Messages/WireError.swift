/// Why bytes are no valid message.
package enum WireError: Error, Equatable, CustomStringConvertible {
  case notLockstep(bytes: Int)
  case version(UInt16)
  case headerLength(Int)
  case unknownKind(UInt16)
  case unknownTask(UInt8)
  case unknownVector(UInt8, UInt8)
  case reversedLeaves(UInt32, UInt32)
  case noLeaves(MessageKind)
  /// The kind does not allow this task.
  case wrongTask(TaskKind, MessageKind)
  case outOfRange(String, value: String, range: String)
  case frameCount(Int)
  /// The payload's length is not the header's, or not right for the kind.
  case payloadLength(found: Int, expected: Int)
  case notJSON(MessageKind, String)
  /// A pushed gradient has non-finite values, which the worker should have reported instead.
  case notFinite

  package var description: String {
    switch self {
    case .notLockstep(let bytes): "\(bytes) bytes that are no Lockstep message"
    case .version(let version): "protocol version \(version), where this program speaks \(Header.protocolVersion)"
    case .headerLength(let count): "a header of \(count) bytes instead of \(Header.size)"
    case .unknownKind(let kind): "unknown message kind \(kind)"
    case .unknownTask(let task): "unknown task \(task)"
    case .unknownVector(let vector, let element): "unknown vector \(vector) or element \(element)"
    case .reversedLeaves(let start, let end): "leaves \(start)..<\(end), which end before they start"
    case .noLeaves(let kind): "a \(kind) message without leaves"
    case .wrongTask(let task, let kind): "a \(kind) message of the task \(task)"
    case .outOfRange(let name, let value, let range): "the \(name) \(value), which is not \(range)"
    case .frameCount(let count): "a message of \(count) frames"
    case .payloadLength(let found, let expected): "a payload of \(found) bytes instead of \(expected)"
    case .notFinite: "a gradient that is infinite or not a number, without saying so"
    case .notJSON(let kind, let cause): "a \(kind) message whose payload cannot be read: \(cause)"
    }
  }
}
