import TestSupport
import Testing

@testable import Protocol

@Suite struct HeaderTests {
  private let example = Header(
    .metrics, run: 0x1112_1314_1516_1718, session: 0x2122_2324_2526_2728, step: 0x3334_3536_3738,
    leaves: 0x4142_4344..<0x5152_5354, chunk: 0x6162_6364, task: .evaluateValidation, vector: .moments, element: .bf16,
    payloadLength: 0x74_7576_7778, sharedSlot: 0x8788, weight: 1.5)

  /// The bytes of `example`, as the table in the type's documentation lays them out.
  private let golden: [UInt8] = [
    0x4C, 0x4B, 0x53, 0x54,  // magic: LKST
    0x0C, 0x00,  // version 12
    0x08, 0x00,  // kind: metrics
    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,  // run
    0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,  // session
    0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x00, 0x00,  // step
    0x44, 0x43, 0x42, 0x41,  // node start
    0x54, 0x53, 0x52, 0x51,  // node end
    0x64, 0x63, 0x62, 0x61,  // chunk
    0x03,  // task: evaluate the validation part
    0x02,  // vector: moments
    0x01,  // element: bf16
    0x00,  // reserved
    0x78, 0x77, 0x76, 0x75, 0x74, 0x00, 0x00, 0x00,  // payload length
    0x88, 0x87, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // shared slot
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x3F,  // weight: 1.5
  ]

  private func decode(_ bytes: [UInt8]) throws(WireError) -> Header {
    // By hand: the closure of withUnsafeBytes would lose the error's type.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try Header(decoding: UnsafeRawBufferPointer(copy))
  }

  private func changing(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
    var changed = golden
    changed.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    return changed
  }

  @Test("the layout is the documented one, byte by byte")
  func layout() throws {
    #expect(Header.size == 72)
    #expect(golden.count == 72)
    #expect(example.encoded == golden)
    #expect(try decode(golden) == example)
  }

  @Test("what a kind has no use for is zero")
  func defaults() {
    let expected: [UInt8] = [0x4C, 0x4B, 0x53, 0x54, 12, 0, 9, 0] + [UInt8](repeating: 0, count: 64)
    #expect(Header(.ping).encoded == expected)
  }

  @Test("kinds and tasks keep their numbers")
  func numbers() {
    let kinds: [MessageKind] = [
      .hello, .welcome, .ready, .refuse, .parameters, .assign, .push, .metrics, .ping, .pong, .goodbye, .lost, .pass,
      .routes, .linked, .missing, .unassigned, .ways,
    ]
    #expect(kinds.map(\.rawValue) == Array(1...18))
    #expect(MessageKind.allCases == kinds)
    #expect(TaskKind.allCases == [.none, .train, .evaluateTest, .evaluateValidation])
    #expect(TaskKind.allCases.map(\.rawValue) == [0, 1, 2, 3])
  }

  @Test("every kind, task and extreme field survives the way", arguments: MessageKind.allCases)
  func roundTrip(_ kind: MessageKind) throws {
    for task in TaskKind.allCases {
      for header in [
        Header(kind, leaves: 0..<1, task: task),
        Header(
          kind, run: .max, session: .max, step: 1 << 48, leaves: .max - 1 ..< .max, chunk: .max, task: task,
          vector: .statistics, element: .bf16, payloadLength: 1 << 40, sharedSlot: 1 << 16,
          weight: .greatestFiniteMagnitude),
        Header(
          kind, run: 1, session: 2, step: 3, leaves: 0 ..< .max, chunk: 4, task: task, payloadLength: 5, sharedSlot: 6),
      ] {
        let isPossible = !kind.isAboutLeaves || task == .train || task != .none && kind != .push
        if isPossible {
          #expect(try decode(header.encoded) == header)
        } else {
          #expect(throws: WireError.wrongTask(task, kind)) { try decode(header.encoded) }
        }
      }
    }
  }

  @Test("a number outside of its range is refused by name")
  func ranges() {
    let cases: [(offset: Int, name: String, largest: UInt64)] = [
      (24, "step", 1 << 48), (48, "payload length", 1 << 40), (56, "shared slot", 1 << 16),
    ]
    for (offset, name, largest) in cases {
      func bytes(_ value: UInt64) -> [UInt8] { changing(offset, withUnsafeBytes(of: value.littleEndian) { Array($0) }) }
      #expect(throws: Never.self) { try decode(bytes(largest)) }
      for value in [largest + 1, UInt64(Int.max), .max] {
        #expect(throws: WireError.outOfRange(name, value: "\(value)", range: "0 to \(largest)")) {
          try decode(bytes(value))
        }
      }
    }
  }

  @Test("a weight that is negative or not finite is refused", arguments: [-1e-300, -1, .infinity, -.infinity, .nan])
  func weights(_ weight: Double) {
    let bytes = changing(64, withUnsafeBytes(of: weight.bitPattern.littleEndian) { Array($0) })
    #expect {
      try decode(bytes)
    } throws: {
      guard case .outOfRange("weight", _, _)? = $0 as? WireError else { return false }
      return true
    }
  }

  @Test("vectors, elements and reserved bits that there are not are refused")
  func vectors() {
    for (vector, element, reserved) in [(3, 0, 0), (255, 0, 0), (0, 3, 0), (0, 255, 0), (0, 0, 1)]
      as [(UInt8, UInt8, UInt8)]
    {
      #expect(throws: WireError.unknownVector(vector, element)) {
        try decode(changing(45, [vector, element, reserved]))
      }
    }
    #expect([VectorKind.parameters, .statistics, .moments].map(\.rawValue) == [0, 1, 2])
    #expect(ElementKind.allCases.map(\.rawValue) == [0, 1, 2])
    #expect([ElementKind.float32, .bf16, .average].map(\.rawValue) == [0, 1, 2])
  }

  @Test("a message about leaves names some", arguments: [MessageKind.assign, .push, .metrics])
  func noLeaves(_ kind: MessageKind) {
    #expect(throws: WireError.noLeaves(kind)) { try decode(Header(kind, leaves: 3..<3, task: .train).encoded) }
  }

  @Test("a header that stands at any address is read")
  func unaligned() throws {
    for shift in 0..<8 {
      let bytes = [UInt8](repeating: 0xAA, count: shift) + golden
      let header = try bytes.withUnsafeBytes { try Header(decoding: UnsafeRawBufferPointer(rebasing: $0[shift...])) }
      #expect(header == example)
    }
  }

  @Test("another length than 72 bytes is refused", arguments: Array(0..<72) + [73, 80, 128])
  func otherLength(_ count: Int) {
    let bytes = count < 72 ? Array(golden[..<count]) : golden + [UInt8](repeating: 0, count: count - 72)
    #expect(throws: count < 8 ? WireError.notLockstep(bytes: count) : .headerLength(count)) { try decode(bytes) }
  }

  @Test("a wrong byte in the magic is refused", arguments: 0..<4)
  func magic(_ offset: Int) {
    #expect(throws: WireError.notLockstep(bytes: 72)) { try decode(changing(offset, [golden[offset] ^ 0x20])) }
  }

  @Test(
    "another version is named, whatever the length that it may have", arguments: [0, 1, 4, 7, 256, .max] as [UInt16])
  func version(_ version: UInt16) {
    let bytes = changing(4, [UInt8(version & 0xFF), UInt8(version >> 8)])
    #expect(throws: WireError.version(version)) { try decode(bytes) }
    #expect(throws: WireError.version(version)) { try decode(Array(bytes[..<8])) }
    #expect(throws: WireError.version(version)) { try decode(bytes + [0]) }
  }

  @Test("kinds that there are not are refused", arguments: [0, 19, 255, 0x0107, .max] as [UInt16])
  func kind(_ kind: UInt16) {
    let bytes = changing(6, [UInt8(kind & 0xFF), UInt8(kind >> 8)])
    #expect(throws: WireError.unknownKind(kind)) { try decode(bytes) }
  }

  @Test("tasks that there are not are refused", arguments: [4, 128, .max] as [UInt8])
  func task(_ task: UInt8) {
    let bytes = changing(44, [task])
    #expect(throws: WireError.unknownTask(task)) { try decode(bytes) }
  }

  @Test("leaves that end before they start are refused, empty ones are not")
  func reversedLeaves() throws {
    let reversed = changing(32, [2, 0, 0, 0, 1, 0, 0, 0])
    #expect(throws: WireError.reversedLeaves(2, 1)) { try decode(reversed) }
    #expect(throws: WireError.reversedLeaves(.max, 0)) { try decode(changing(32, [255, 255, 255, 255, 0, 0, 0, 0])) }
    #expect(try decode(Header(.ping, leaves: 2..<2).encoded).leaves == 2..<2)
  }

  @Test("whatever a peer sends decodes to what encodes back, or is refused")
  func mutations() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of the mutations: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 80, alignment: 1)
    defer { bytes.deallocate() }
    var (accepted, refused, drifted) = (0, 0, 0)
    for _ in 0..<200_000 {
      bytes.copyBytes(from: golden)
      var count = golden.count
      for _ in 0...Int(generator.next() % 4) {
        let random = generator.next()
        bytes[Int(random >> 8) % 72] = UInt8(truncatingIfNeeded: random)
        if random >> 58 == 0 { count = Int(random >> 16) % 81 }
      }
      let message = UnsafeRawBufferPointer(rebasing: bytes[..<count])
      do {
        let header = try Header(decoding: message)
        accepted += 1
        if !header.encoded.elementsEqual(message) { drifted += 1 }
      } catch {
        refused += 1
        // A refusal is told to people: putting it in words must not trap either.
        if refused % 64 == 0 { #expect(!error.description.isEmpty) }
      }
    }
    #expect(drifted == 0, "seed \(seed)")
    #expect(accepted > 1000 && refused > 1000, "seed \(seed)")
  }
}
