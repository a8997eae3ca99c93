/// What a tree node sums besides the gradient. 40 bytes on the wire, little-endian:
///
/// | offset | size | field          | unit                                                |
/// | -----: | ---: | -------------- | --------------------------------------------------- |
/// |      0 |    8 | examples       | count                                               |
/// |      8 |    8 | loss           | summed over the examples, float64                   |
/// |     16 |    8 | correct        | examples classified right                           |
/// |     24 |    8 | squared error  | summed over examples and outputs, float64           |
/// |     32 |    8 | compute time   | seconds of compute threads, float64; not part of the result |
public struct NodeMetrics: Equatable, Sendable {
  /// How many bytes encoded metrics have.
  public static let size = 40

  /// How many examples the node covers.
  public var examples: Int64
  /// The loss summed over them.
  public var loss: Double
  /// How many of them were classified right.
  public var correct: Int64
  /// The squared error summed over them and the model's outputs.
  public var squaredError: Double
  /// Seconds that compute threads spent on the node.
  public var computeSeconds: Double

  /// Metrics of a node.
  public init(
    examples: Int64 = 0, loss: Double = 0, correct: Int64 = 0, squaredError: Double = 0, computeSeconds: Double = 0
  ) {
    self.examples = examples
    self.loss = loss
    self.correct = correct
    self.squaredError = squaredError
    self.computeSeconds = computeSeconds
  }

  /// The parent's metrics. Along the tree, so that the sums' bits never depend on who computed what; the counts wrap
  /// because a hostile peer may send any.
  public static func + (left: NodeMetrics, right: NodeMetrics) -> NodeMetrics {
    NodeMetrics(
      examples: left.examples &+ right.examples, loss: left.loss + right.loss, correct: left.correct &+ right.correct,
      squaredError: left.squaredError + right.squaredError, computeSeconds: left.computeSeconds + right.computeSeconds)
  }

  /// The metrics' 40 bytes.
  public var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: NodeMetrics.size) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      bytes.storeBytes(of: examples.littleEndian, toByteOffset: 0, as: Int64.self)
      bytes.storeBytes(of: loss.bitPattern.littleEndian, toByteOffset: 8, as: UInt64.self)
      bytes.storeBytes(of: correct.littleEndian, toByteOffset: 16, as: Int64.self)
      bytes.storeBytes(of: squaredError.bitPattern.littleEndian, toByteOffset: 24, as: UInt64.self)
      bytes.storeBytes(of: computeSeconds.bitPattern.littleEndian, toByteOffset: 32, as: UInt64.self)
      count = NodeMetrics.size
    }
  }

  /// Reads metrics.
  ///
  /// - Throws: ``WireError/payloadLength(found:expected:)`` where `bytes` are not exactly 40.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
    guard bytes.count == NodeMetrics.size else { throw .payloadLength(found: bytes.count, expected: NodeMetrics.size) }
    func double(at offset: Int) -> Double {
      Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
    }
    self.init(
      examples: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)), loss: double(at: 8),
      correct: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self)),
      squaredError: double(at: 24), computeSeconds: double(at: 32))
  }
}
