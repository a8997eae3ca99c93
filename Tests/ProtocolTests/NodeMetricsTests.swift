import Testing

@testable import Protocol

@Suite struct NodeMetricsTests {
  private let example = NodeMetrics(
    examples: 0x04_0506_0708, weight: 2.5, sums: [1.5, -0.0], computeSeconds: 0.1,
    flaw: NodeMetrics.Flaw(leaf: 0x0102_0304, tensor: 5))

  private let golden: [UInt8] = [
    0x08, 0x07, 0x06, 0x05, 0x04, 0x00, 0x00, 0x00,  // examples
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x40,  // weight
    0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F,  // compute time
    0x04, 0x03, 0x02, 0x01,  // leaf
    0x05, 0x00, 0x00, 0x00,  // tensor
    0x02, 0x00, 0x00, 0x00,  // sums
    0x00, 0x00, 0x00, 0x00,  // reserved
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x3F,  // the loss
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,  // another sum
  ]

  private func decode(_ bytes: [UInt8]) throws -> NodeMetrics {
    try bytes.withUnsafeBytes { try NodeMetrics(decoding: $0) }
  }

  @Test("the layout is the documented one, byte by byte")
  func layout() throws {
    #expect(NodeMetrics.size(sums: 2) == golden.count)
    #expect(example.encoded == golden)
    #expect(try decode(golden) == example)
    #expect(try decode(golden).sums[1].sign == .minus)
  }

  @Test("extreme values survive the way, bit by bit")
  func roundTrip() throws {
    for metrics in [
      NodeMetrics(examples: 0, weight: 0, sums: [0]),
      NodeMetrics(
        examples: 1 << 40, weight: .greatestFiniteMagnitude, sums: [.infinity, .leastNonzeroMagnitude],
        computeSeconds: 1e9),
      NodeMetrics(examples: 1, weight: 1, sums: [Double(nan: 0x1234, signaling: false), .nan]),
      NodeMetrics(examples: 0, weight: .leastNonzeroMagnitude, sums: Array(repeating: -.infinity, count: 16)),
      NodeMetrics(flaw: NodeMetrics.Flaw(leaf: 0, tensor: nil)),
      NodeMetrics(flaw: NodeMetrics.Flaw(leaf: nil, tensor: 0)),
    ] {
      // Bytes, because a number that is not one does not equal itself.
      #expect(try decode(metrics.encoded).encoded == metrics.encoded)
      #expect(try decode(metrics.encoded).flaw == metrics.flaw)
    }
  }

  @Test("another length than its sums need is refused", arguments: Array(0..<56) + [57, 64, 96])
  func otherLength(_ count: Int) {
    let bytes = count < 56 ? Array(golden[..<count]) : golden + [UInt8](repeating: 0, count: count - 56)
    #expect(throws: WireError.payloadLength(found: count, expected: count < 48 ? 48 : 56)) { try decode(bytes) }
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
    let left = NodeMetrics(examples: 1, weight: 7, sums: [10, 100], computeSeconds: 10_000)
    let right = NodeMetrics(examples: 2, weight: 8, sums: [20, 200], computeSeconds: 20_000)
    #expect(left + right == NodeMetrics(examples: 3, weight: 15, sums: [30, 300], computeSeconds: 30_000))
    #expect(left + NodeMetrics(examples: 0, weight: 0, sums: [0, 0]) == left)
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
      (NodeMetrics(examples: .max), "count of examples"),
      (NodeMetrics(examples: 2, weight: -1e-300, sums: [0]), "weight"),
      (NodeMetrics(examples: 2, weight: .infinity, sums: [0]), "weight"),
      (NodeMetrics(examples: 2, weight: .nan, sums: [0]), "weight"),
      (NodeMetrics(examples: 2, weight: 1, sums: Array(repeating: 0, count: 17)), "count of sums"),
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
