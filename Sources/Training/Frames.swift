internal import Foundation
internal import Kernels
internal import Wire
internal import ZeroMQ

#if _endian(big)
  #error("payloads are the machine's own floats, which must be little-endian")
#endif

/// A header and at most one payload frame, as they go over a socket.
struct Frames {
  let header: Header
  let payload: Message?

  /// Checks what was received after the peer's identity: one or two frames, as long as the header says.
  init(_ frames: ArraySlice<Message>, total: Int) throws(WireError) {
    guard let first = frames.first, total <= 2 else { throw .frameCount(total) }
    header = try Header(decoding: first.bytes)
    payload = frames.dropFirst().first
    let count = payload?.count ?? 0
    guard header.payloadLength == UInt64(count) else {
      throw .payloadLength(found: count, expected: Int(clamping: header.payloadLength))
    }
  }

  /// The payload as JSON of a type.
  func decode<Value: Decodable>(_: Value.Type) throws(WireError) -> Value {
    guard let payload else { throw .notJSON(header.kind, "it is missing") }
    do {
      return try JSONDecoder().decode(Value.self, from: Data(payload.bytes))
    } catch let error as DecodingError {
      throw .notJSON(header.kind, "it is not the JSON that is needed (\(type(of: error)))")
    } catch {
      throw .notJSON(header.kind, "\(error)")
    }
  }
}

extension Socket {
  /// Sends a header with its payload's length filled in, then the payload.
  func send(_ header: Header, _ payload: Message?) throws(ZeroMQError) {
    var header = header
    header.payloadLength = UInt64(payload?.count ?? 0)
    let frame = header.encoded.withUnsafeBytes { Message(copying: $0) }
    try send(frame, more: payload != nil)
    if let payload { try send(payload) }
  }
}

extension Message {
  /// A frame with a copy of `bytes`.
  convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    mutableBytes.copyBytes(from: bytes)
  }

  /// A received frame of floats, to compute in place: itself where it is aligned, else a copy.
  var alignedFloats: Message {
    let isAligned = Int(bitPattern: bytes.baseAddress) % MemoryLayout<Float>.alignment == 0
    return isAligned ? self : Message(copying: bytes)
  }

  /// The frame's floats. Valid while the message lives.
  var floats: MutableFloats {
    let bytes = mutableBytes
    guard let base = bytes.baseAddress else { preconditionFailure("an empty frame has no floats") }
    return MutableFloats(
      base: base.assumingMemoryBound(to: Float.self), count: bytes.count / MemoryLayout<Float>.size)
  }
}
