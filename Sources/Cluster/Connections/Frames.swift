internal import Foundation
internal import Kernels
internal import Protocol
internal import ZeroMQ

#if _endian(big)
  #error("payloads are the machine's own floats, which must be little-endian")
#endif

/// A message on a socket: a header and at most one payload frame.
struct Frames {
  let header: Header
  let payload: Message?

  /// Checks the frames after the peer's identity: one or two, with the payload length that the header gives.
  init(_ frames: ArraySlice<Message>, total: Int) throws(WireError) {
    guard let first = frames.first, total <= 2 else { throw .frameCount(total) }
    header = try Header(decoding: first.bytes)
    payload = frames.dropFirst().first
    let count = payload?.count ?? 0
    guard header.payloadLength == UInt64(count) else {
      throw .payloadLength(found: count, expected: Int(clamping: header.payloadLength))
    }
  }

  /// Reads a record: a header and a small payload behind it.
  init(record: UnsafeRawBufferPointer) throws(WireError) {
    header = try Header(decoding: UnsafeRawBufferPointer(rebasing: record[..<Header.size]))
    let rest = record[Header.size...]
    guard header.payloadLength <= UInt64(rest.count) else {
      throw .payloadLength(found: rest.count, expected: Int(clamping: header.payloadLength))
    }
    let payload = rest.prefix(Int(header.payloadLength))
    self.payload = payload.isEmpty ? nil : Message(copying: UnsafeRawBufferPointer(rebasing: payload))
  }

  /// Decodes the payload from JSON and checks its numbers.
  func decode<Value: ControlPayload>(_: Value.Type) throws(WireError) -> Value {
    guard let payload else { throw .notJSON(header.kind, "it is missing") }
    let value: Value
    do {
      value = try JSONDecoder().decode(Value.self, from: Data(payload.bytes))
    } catch let error as DecodingError {
      throw .notJSON(header.kind, "it is not the JSON that is needed (\(type(of: error)))")
    } catch {
      throw .notJSON(header.kind, "\(error)")
    }
    try value.check()
    return value
  }
}

/// The values of a chunk of parameters or of a gradient.
enum Payload {
  case frame(Message)
  /// The index of a vector in the sender's shared memory.
  case shared(Int)

  /// Nil if the message has neither a payload frame nor a shared slot.
  init?(_ frames: Frames) {
    if let payload = frames.payload {
      self = .frame(payload)
    } else if frames.header.sharedSlot > 0, let index = Int(exactly: frames.header.sharedSlot - 1) {
      self = .shared(index)
    } else {
      return nil
    }
  }
}

extension CoordinatorMachine.Content {
  /// Decodes a worker's message; `gradient` is what a PUSH carries or names.
  init(_ frames: Frames, _ gradient: FloatBuffer?) throws(WireError) {
    switch frames.header.kind {
    case .hello: self = .hello(try frames.decode(Hello.self))
    case .ready: self = .ready(try frames.decode(Ready.self))
    case .goodbye: self = .reason(try frames.decode(Reason.self).reason ?? "it did not say why")
    case .push: self = .gradient(byteCount: (gradient?.count ?? 0) * frames.header.element.size)
    case .missing: self = .missing(try frames.decode(MissingChunks.self))
    case .metrics:
      guard let payload = frames.payload else {
        throw .payloadLength(found: 0, expected: NodeMetrics.size(sums: 1))
      }
      self = .metrics(try NodeMetrics(decoding: payload.bytes))
    default: self = .none
    }
  }
}

extension WorkerMachine.Content {
  /// Decodes a coordinator's message; `valueCount` gives the values of a chunk of a vector in shared memory.
  init(_ frames: Frames, valueCount: (Int, UInt32) -> Int) throws(WireError) {
    switch frames.header.kind {
    case .welcome: self = .welcome(try frames.decode(Welcome.self))
    case .refuse, .goodbye: self = .reason(try frames.decode(Reason.self).reason)
    case .routes: self = .routes(try frames.decode(Routes.self))
    case .assign where frames.payload != nil: self = .roundStart(try frames.decode(RoundStart.self))
    case .unassigned: self = .unassigned(try frames.decode(Unassigned.self))
    case .ways: self = .ways(try frames.decode(Ways.self))
    case .parameters, .pass:
      switch Payload(frames) {
      case .frame(let payload): self = .parameters(byteCount: payload.count)
      case .shared(let index):
        self = .parameters(byteCount: valueCount(index, frames.header.chunk) * frames.header.element.size)
      case nil: self = .parameters(byteCount: 0)
      }
    default: self = .none
    }
  }
}

extension Socket {
  /// Sends a header, its payload length filled in, and the payload.
  func send(_ header: Header, _ payload: Message?) throws(ZeroMQError) {
    var header = header
    header.payloadLength = UInt64(payload?.count ?? 0)
    let frame = header.encoded.withUnsafeBytes { Message(copying: $0) }
    try send(frame, more: payload != nil)
    if let payload { try send(payload) }
  }

  /// Sends to a peer of a ROUTER socket.
  ///
  /// - Parameter payload: made only if the peer is there.
  /// - Returns: false if the peer's connection is gone.
  func send(
    _ header: Header, _ payload: @autoclosure () -> Message?, to peer: CoordinatorMachine.Peer
  ) throws(ZeroMQError) -> Bool {
    do throws(ZeroMQError) {
      guard try send(peer.identity, more: true) else { return false }
      try send(header, payload())
      return true
    } catch {
      guard error.isPeerGone else { throw error }
      return false
    }
  }
}

extension RecordOutbox {
  /// Adds a header and a payload that fits behind it.
  func append(_ header: Header, _ payload: [UInt8] = []) {
    var header = header
    header.payloadLength = UInt64(payload.count)
    append { record in
      header.encode(into: UnsafeMutableRawBufferPointer(rebasing: record[..<Header.size]))
      UnsafeMutableRawBufferPointer(rebasing: record[Header.size...]).copyBytes(from: payload)
    }
  }
}

extension Message {
  convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    mutableBytes.copyBytes(from: bytes)
  }

  /// The floats of a received frame, to compute in place; a copy if they are not aligned. Nil if the bytes are not
  /// whole floats.
  var alignedFloats: FloatBuffer? {
    guard let base = mutableBytes.baseAddress, count % MemoryLayout<Float>.size == 0 else { return nil }
    guard Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0 else {
      return Message(copying: bytes).alignedFloats
    }
    return FloatBuffer(base, count: count / MemoryLayout<Float>.size, of: self)
  }
}

extension ControlPayload {
  func encodedPayload() -> [UInt8] {
    do {
      return try [UInt8](JSONEncoder().encode(self))
    } catch {
      preconditionFailure("a control message cannot be encoded: \(error)")
    }
  }
}
