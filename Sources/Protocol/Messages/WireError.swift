/// Why bytes are not a message.
package enum WireError: Error, Equatable, CustomStringConvertible {
  /// The first bytes are not the protocol's magic.
  case notLockstep(bytes: Int)
  /// The peer speaks another version.
  case version(UInt16)
  /// The header frame has another length than a header.
  case headerLength(Int)
  /// No kind has this number.
  case unknownKind(UInt16)
  /// No task has this number.
  case unknownTask(UInt8)
  /// No vector or element has this number.
  case unknownVector(UInt8, UInt8)
  /// A range of leaves ends before it starts.
  case reversedLeaves(UInt32, UInt32)
  /// A message about leaves names none.
  case noLeaves(MessageKind)
  /// A message about leaves does not say what they are, or says what they cannot be.
  case wrongTask(TaskKind, MessageKind)
  /// A number is outside of the range that its message's table gives.
  case outOfRange(String, value: String, range: String)
  /// The message has another number of frames than its header and payload.
  case frameCount(Int)
  /// The payload frame is not as long as the header says, or as the kind must be.
  case payloadLength(found: Int, expected: Int)
  /// A control payload is not the JSON that its kind must be.
  case notJSON(MessageKind, String)
  /// A gradient has values that are infinite or not numbers, where a worker must say so instead of pushing it.
  case notFinite

  /// What was wrong, with the values.
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
