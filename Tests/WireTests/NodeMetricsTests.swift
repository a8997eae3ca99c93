import Testing

@testable import Wire

@Suite struct NodeMetricsTests {
  private let example = NodeMetrics(
    examples: 0x0102_0304_0506_0708, loss: 1.5, correct: -2, squaredError: -0.0, computeSeconds: 0.1)

  private let golden: [UInt8] = [
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,  // examples
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x3F,  // loss
    0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,  // correct
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,  // squared error
    0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F,  // compute time
  ]

  private func decode(_ bytes: [UInt8]) throws -> NodeMetrics {
    try bytes.withUnsafeBytes { try NodeMetrics(decoding: $0) }
  }

  @Test("the layout is the documented one, byte by byte")
  func layout() throws {
    #expect(NodeMetrics.size == 40)
    #expect(example.encoded == golden)
    #expect(try decode(golden) == example)
    #expect(try decode(golden).squaredError.sign == .minus)
  }

  @Test("extreme values survive the way, bit by bit")
  func roundTrip() throws {
    for metrics in [
      NodeMetrics(),
      NodeMetrics(
        examples: .min, loss: .infinity, correct: .max, squaredError: .leastNonzeroMagnitude, computeSeconds: -.infinity
      ),
      NodeMetrics(
        examples: -1, loss: Double(nan: 0x1234, signaling: false), correct: 0, squaredError: .nan,
        computeSeconds: .greatestFiniteMagnitude),
    ] {
      // Bytes, because a number that is not one does not equal itself.
      #expect(try decode(metrics.encoded).encoded == metrics.encoded)
    }
  }

  @Test("another length than 40 bytes is refused", arguments: Array(0..<40) + [41, 48, 80])
  func otherLength(_ count: Int) {
    let bytes = count < 40 ? Array(golden[..<count]) : golden + [UInt8](repeating: 0, count: count - 40)
    #expect(throws: WireError.payloadLength(found: count, expected: 40)) { try decode(bytes) }
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

  @Test("counts that a hostile peer sends wrap instead of trapping")
  func wraps() {
    let sum = NodeMetrics(examples: .max, correct: .min) + NodeMetrics(examples: 1, correct: -1)
    #expect(sum == NodeMetrics(examples: .min, correct: .max))
  }
}
