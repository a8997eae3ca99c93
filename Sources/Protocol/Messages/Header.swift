/// The fixed header that starts every message. At most one payload frame follows it.
///
/// All fields are little-endian; the header is exactly 72 bytes.
///
/// | offset | size | field          | range     | meaning                                                          |
/// | -----: | ---: | -------------- | --------- | ---------------------------------------------------------------- |
/// |      0 |    4 | magic          |           | "LKST"                                                           |
/// |      4 |    2 | version        |           | of the protocol; this and the two fields around it never move    |
/// |      6 |    2 | kind           | 1…18      | ``MessageKind``                                                  |
/// |      8 |    8 | run            | any       | the training run; 0 if the sender does not know it yet           |
/// |     16 |    8 | session        | any       | one membership of one worker; 0 before WELCOME                   |
/// |     24 |    8 | step           | 0…2⁴⁸     | steps done, updated or skipped, of the parameters it is about    |
/// |     32 |    4 | node start     | ≤ its end | first leaf of the range or tree node                             |
/// |     36 |    4 | node end       | any       | one past its last leaf                                           |
/// |     40 |    4 | chunk          | any       | which range of the parameter vector; in ASSIGN and LINKED the    |
/// |        |      |                |           | number of the routes, 0 for none; in METRICS the local step; in  |
/// |        |      |                |           | PING to a relay 1 from who needs no parameters of it             |
/// |     44 |    1 | task           | 0…3       | ``TaskKind``: what the step's leaves are, training or evaluation |
/// |     45 |    1 | vector         | 0…2       | ``VectorKind``: what the chunk is a part of                      |
/// |     46 |    1 | element        | 0…2       | ``ElementKind``: which version of the numbers, how written       |
/// |     47 |    1 | reserved       | 0         |                                                                  |
/// |     48 |    8 | payload length | 0…2⁴⁰     | bytes in the frame that follows; 0 for none                      |
/// |     56 |    8 | shared slot    | 0…2¹⁶     | 0 for none; with no payload frame, 1 + the index of the vector   |
/// |        |      |                |           | in the sender's shared memory; in ASSIGN 1 if gradients may be   |
/// |        |      |                |           | sent that way                                                    |
/// |     64 |    8 | weight         | finite,   | in PUSH the sum of the weights of the node's examples, float64;  |
/// |        |      |                | ≥ 0       | else 0                                                           |
///
/// ASSIGN, PUSH and METRICS name a task and at least one leaf; PUSH's task is training. Decoding refuses a header
/// outside of these ranges. Whether leaves, chunk, shared slot and payload length fit the job is checked when the
/// message is handled.
package struct Header: Equatable, Sendable {
  package static let protocolVersion: UInt16 = 12
  /// Bytes in an encoded header.
  package static let size = 72
  package static let steps: ClosedRange<UInt64> = 0...1 << 48
  package static let payloadLengths: ClosedRange<UInt64> = 0...1 << 40
  package static let weights = 0...Double.greatestFiniteMagnitude
  static let sharedSlots: ClosedRange<UInt64> = 0...1 << 16
  package static let firstBytes = Array("LKST".utf8)
  package static let magic = UInt32(littleEndian: 0x5453_4B4C)  // "LKST" in memory order

  package var kind: MessageKind
  package var run: UInt64
  package var session: UInt64
  package var step: UInt64
  package var leaves: Range<UInt32>
  package var chunk: UInt32
  package var task: TaskKind
  package var vector: VectorKind
  package var element: ElementKind
  package var payloadLength: UInt64
  /// 0, or 1 + the index of the payload's vector in the sender's shared memory.
  package var sharedSlot: UInt64
  package var weight: Double

  /// Fields that a kind does not use stay zero.
  package init(
    _ kind: MessageKind, run: UInt64 = 0, session: UInt64 = 0, step: UInt64 = 0, leaves: Range<UInt32> = 0..<0,
    chunk: UInt32 = 0, task: TaskKind = .none, vector: VectorKind = .parameters, element: ElementKind = .float32,
    payloadLength: UInt64 = 0, sharedSlot: UInt64 = 0, weight: Double = 0
  ) {
    (self.kind, self.run, self.session, self.step, self.leaves) = (kind, run, session, step, leaves)
    (self.chunk, self.task, self.vector, self.element) = (chunk, task, vector, element)
    (self.payloadLength, self.sharedSlot, self.weight) = (payloadLength, sharedSlot, weight)
  }

  package func encode(into bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count == Header.size)
    func put(_ value: some FixedWidthInteger, at offset: Int) {
      bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value))
    }
    put(Header.magic, at: 0)
    put(Header.protocolVersion, at: 4)
    put(kind.rawValue, at: 6)
    put(run, at: 8)
    put(session, at: 16)
    put(step, at: 24)
    put(leaves.lowerBound, at: 32)
    put(leaves.upperBound, at: 36)
    put(chunk, at: 40)
    put(task.rawValue, at: 44)
    put(vector.rawValue, at: 45)
    put(element.rawValue, at: 46)
    put(UInt8(0), at: 47)
    put(payloadLength, at: 48)
    put(sharedSlot, at: 56)
    put(weight.bitPattern, at: 64)
  }

  package var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Header.size) { buffer, count in
      encode(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<Header.size]))
      count = Header.size
    }
  }

  /// Reads a header.
  ///
  /// - Throws: ``WireError`` if `bytes` are not exactly a header of this protocol version.
  package init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
    func get<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value {
      Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
    guard bytes.count >= 8, get(UInt32.self, at: 0) == Header.magic else { throw .notLockstep(bytes: bytes.count) }
    let version = get(UInt16.self, at: 4)
    guard version == Header.protocolVersion else { throw .version(version) }
    guard bytes.count == Header.size else { throw .headerLength(bytes.count) }
    let rawKind = get(UInt16.self, at: 6)
    guard let kind = MessageKind(rawValue: rawKind) else { throw .unknownKind(rawKind) }
    let rawTask = get(UInt8.self, at: 44)
    guard let task = TaskKind(rawValue: rawTask) else { throw .unknownTask(rawTask) }
    guard let vector = VectorKind(rawValue: get(UInt8.self, at: 45)),
      let element = ElementKind(rawValue: get(UInt8.self, at: 46)), get(UInt8.self, at: 47) == 0
    else { throw .unknownVector(get(UInt8.self, at: 45), get(UInt8.self, at: 46)) }
    let (start, end) = (get(UInt32.self, at: 32), get(UInt32.self, at: 36))
    guard start <= end else { throw .reversedLeaves(start, end) }
    if kind.isAboutLeaves {
      guard start < end else { throw .noLeaves(kind) }
      guard task == .train || task != .none && kind != .push else { throw .wrongTask(task, kind) }
    }
    self.init(
      kind, run: get(UInt64.self, at: 8), session: get(UInt64.self, at: 16),
      step: try Header.steps.checked(get(UInt64.self, at: 24), "step"), leaves: start..<end,
      chunk: get(UInt32.self, at: 40), task: task, vector: vector, element: element,
      payloadLength: try Header.payloadLengths.checked(get(UInt64.self, at: 48), "payload length"),
      sharedSlot: try Header.sharedSlots.checked(get(UInt64.self, at: 56), "shared slot"),
      weight: try Header.weights.checked(Double(bitPattern: get(UInt64.self, at: 64)), "weight"))
  }
}

extension Header {
  package var leafRange: Range<Int> { Int(leaves.lowerBound)..<Int(leaves.upperBound) }
}

/// The kinds of messages, in the order of a worker's life.
package enum MessageKind: UInt16, Sendable, CaseIterable {
  /// Worker: its name and threads (JSON).
  case hello = 1
  /// Coordinator: the job, and the worker's session (JSON).
  case welcome = 2
  /// Worker: it can compute; its fingerprint, layout and numerics (JSON).
  case ready = 3
  /// Coordinator: why the worker can't take part (JSON). The last message of a session.
  case refuse = 4
  /// Coordinator: one chunk of the parameters of `step` (the header's element).
  case parameters = 5
  /// Coordinator: compute `leaves` of `step`; of local steps with a ``RoundStart`` (JSON).
  case assign = 6
  /// Worker: one chunk of a node's gradient sum (the header's element).
  case push = 7
  /// Worker: a node's ``NodeMetrics``, after the node's last PUSH; one message for each local step, in order. In stop
  /// mode a gradient with a flaw is not pushed.
  case metrics = 8
  /// Either: asks whether the peer is alive.
  case ping = 9
  /// Either: the answer to PING.
  case pong = 10
  /// Coordinator: the run has ended. Worker: it leaves. Both with the reason (JSON).
  case goodbye = 11
  /// Coordinator: this session is over or unknown; the worker may send HELLO again.
  case lost = 12
  /// Coordinator, to a relay: one chunk of the parameters, to store and to pass on as PARAMETERS.
  case pass = 13
  /// Coordinator: who sums which chunks (``Routes``, JSON).
  case routes = 14
  /// Worker: it reaches all relays of the routes with this number.
  case linked = 15
  /// Worker: which chunks of the step's parameters it needs and has not got (``MissingChunks``, JSON).
  case missing = 16
  /// Coordinator, to a relay: do not wait for a member's sums (``Unassigned``, JSON).
  case unassigned = 17
  /// Coordinator, to a member behind a relay: other ways in (``Ways``, JSON).
  case ways = 18
}

extension MessageKind {
  package var isAboutLeaves: Bool { self == .assign || self == .push || self == .metrics }
}

extension ClosedRange {
  /// `value`, if it is in the range; `name` is for the error.
  ///
  /// - Throws: ``WireError/outOfRange(_:value:range:)`` if it is outside of the range.
  package func checked(_ value: Bound, _ name: String) throws(WireError) -> Bound {
    guard contains(value) else {
      throw .outOfRange(name, value: "\(value)", range: "\(lowerBound) to \(upperBound)")
    }
    return value
  }
}

package enum TaskKind: UInt8, Sendable, CaseIterable {
  /// The message names no leaves.
  case none = 0
  /// Micro-batches of the training part, whose gradients are summed.
  case train = 1
  /// Slices of the test part, for which only metrics are summed.
  case evaluateTest = 2
  /// The same of the validation part.
  case evaluateValidation = 3
}

/// What a chunk is a part of.
package enum VectorKind: UInt8, Sendable {
  /// Parameters, a gradient of them, or how a node's replicas changed them.
  case parameters = 0
  /// A model's statistics of its batches, such as running means, or their sums over a node.
  case statistics = 1
  /// The optimizer's moments, in a job of local steps, or how a node's replicas changed them.
  case moments = 2
}

/// Which version of a vector a payload is from, and how its numbers are written.
package enum ElementKind: UInt8, Sendable, CaseIterable {
  case float32 = 0
  /// The upper half of a float32. In shared memory, which takes no time to send, such a value is a float32 whose lower
  /// half is zero.
  case bf16 = 1
  /// The averages of the parameters and statistics, which evaluations read in a job that keeps them; in float32.
  case average = 2

  /// Bytes of a value in a payload.
  package var size: Int {
    switch self {
    case .float32, .average: 4
    case .bf16: 2
    }
  }
}
