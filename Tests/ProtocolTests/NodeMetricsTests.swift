import Testing

@testable import Protocol

@Suite struct NodeMetricsTests {
  private let example = NodeMetrics(
    examples: 0x04_0506_0708, loss: 1.5, correct: 2, squaredError: -0.0, computeSeconds: 0.1,
    flaw: NodeMetrics.Flaw(leaf: 0x0102_0304, tensor: 5))

  private let golden: [UInt8] = [
    0x08, 0x07, 0x06, 0x05, 0x04, 0x00, 0x00, 0x00,  // examples
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x3F,  // loss
    0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // correct
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,  // squared error
    0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F,  // compute time
    0x04, 0x03, 0x02, 0x01,  // leaf
    0x05, 0x00, 0x00, 0x00,  // tensor
  ]

  private func decode(_ bytes: [UInt8]) throws -> NodeMetrics {
    try bytes.withUnsafeBytes { try NodeMetrics(decoding: $0) }
  }

  @Test("the layout is the documented one, byte by byte")
  func layout() throws {
    #expect(NodeMetrics.size == 48)
    #expect(example.encoded == golden)
    #expect(try decode(golden) == example)
    #expect(try decode(golden).squaredError.sign == .minus)
  }

  @Test("extreme values survive the way, bit by bit")
  func roundTrip() throws {
    for metrics in [
      NodeMetrics(),
      NodeMetrics(
        examples: 1 << 40, loss: .infinity, correct: 1 << 40, squaredError: .leastNonzeroMagnitude, computeSeconds: 1e9),
      NodeMetrics(
        examples: 1, loss: Double(nan: 0x1234, signaling: false), correct: 0, squaredError: .nan, computeSeconds: 0),
      NodeMetrics(loss: -.infinity, squaredError: .infinity),
      NodeMetrics(flaw: NodeMetrics.Flaw(leaf: 0, tensor: nil)),
      NodeMetrics(flaw: NodeMetrics.Flaw(leaf: nil, tensor: 0)),
    ] {
      // Bytes, because a number that is not one does not equal itself.
      #expect(try decode(metrics.encoded).encoded == metrics.encoded)
      #expect(try decode(metrics.encoded).flaw == metrics.flaw)
    }
  }

  @Test("another length than 48 bytes is refused", arguments: Array(0..<48) + [49, 56, 96])
  func otherLength(_ count: Int) {
    let bytes = count < 48 ? Array(golden[..<count]) : golden + [UInt8](repeating: 0, count: count - 48)
    #expect(throws: WireError.payloadLength(found: count, expected: 48)) { try decode(bytes) }
  }

  @Test("metrics that stand at any address are read")
  func unaligned() throws {
    for shift in 0..<8 {
      let bytes = [UInt8](repeating: 0xAA, count: shift) + golden
      let metrics = try bytes.withUnsafeBytes {
        try NodeMetrics(decoding: UnsafeRawBufferPointer(rebasing: $0[shift...]))
      }
      #expect(metrics == example)
    }
  }

  @Test("a sum adds each field to itself")
  func sum() {
    let left = NodeMetrics(examples: 1, loss: 10, correct: 100, squaredError: 1000, computeSeconds: 10_000)
    let right = NodeMetrics(examples: 2, loss: 20, correct: 200, squaredError: 2000, computeSeconds: 20_000)
    #expect(
      left + right
        == NodeMetrics(examples: 3, loss: 30, correct: 300, squaredError: 3000, computeSeconds: 30_000))
    #expect(left + NodeMetrics() == left)
  }

  @Test("a sum's flaw is the left one, where there is one")
  func flaws() {
    let (first, second) = (NodeMetrics.Flaw(leaf: 1, tensor: 2), NodeMetrics.Flaw(leaf: 3, tensor: nil))
    #expect((NodeMetrics(flaw: first) + NodeMetrics(flaw: second)).flaw == first)
    #expect((NodeMetrics(flaw: first) + NodeMetrics()).flaw == first)
    #expect((NodeMetrics() + NodeMetrics(flaw: second)).flaw == second)
    #expect((NodeMetrics() + NodeMetrics()).flaw == nil)
  }

  @Test(
    "a number outside of its range is refused by name",
    arguments: [
      (NodeMetrics(examples: -1), "count of examples"), (NodeMetrics(examples: (1 << 40) + 1), "count of examples"),
      (NodeMetrics(examples: .max), "count of examples"), (NodeMetrics(examples: 2, correct: 3), "correct"),
      (NodeMetrics(examples: 2, correct: -1), "correct"), (NodeMetrics(squaredError: -1e-300), "squared error"),
      (NodeMetrics(computeSeconds: -1), "compute time"), (NodeMetrics(computeSeconds: .nan), "compute time"),
      (NodeMetrics(computeSeconds: .infinity), "compute time"),
      (NodeMetrics(flaw: NodeMetrics.Flaw(leaf: -2, tensor: nil)), "leaf"),
      (NodeMetrics(flaw: NodeMetrics.Flaw(leaf: 1, tensor: -2)), "tensor"),
    ] as [(NodeMetrics, String)])
  func ranges(_ metrics: NodeMetrics, _ name: String) {
    #expect {
      try decode(metrics.encoded)
    } throws: { error in
      guard case .outOfRange(let found, _, _)? = error as? WireError else { return false }
      return found.contains(name)
    }
  }
}
