/// What a tree node sums besides the gradient. 48 bytes on the wire, little-endian:
///
/// | offset | size | field         | range      | unit                                                           |
/// | -----: | ---: | ------------- | ---------- | -------------------------------------------------------------- |
/// |      0 |    8 | examples      | 0…2⁴⁰      | count                                                          |
/// |      8 |    8 | loss          | any        | summed over the examples, float64                              |
/// |     16 |    8 | correct       | ≤ examples | examples classified right                                      |
/// |     24 |    8 | squared error | not below 0 | summed over examples and outputs, float64; NaN where a flaw is |
/// |     32 |    8 | compute time  | 0…10⁹      | seconds of compute threads, float64; not part of the result    |
/// |     40 |    4 | leaf          | from −1 on | of the first flaw (``Flaw``), else −1                          |
/// |     44 |    4 | tensor        | from −1 on | of the first flaw, else −1                                     |
package struct NodeMetrics: Equatable, Sendable {
  /// How many bytes encoded metrics have.
  package static let size = 48

  /// How many examples the node covers.
  package var examples: Int64
  /// The loss summed over them.
  package var loss: Double
  /// How many of them were classified right.
  package var correct: Int64
  /// The squared error summed over them and the model's outputs.
  package var squaredError: Double
  /// Seconds that compute threads spent on the node.
  package var computeSeconds: Double
  /// The first of its leaves whose loss or gradient is infinite or not a number; nil where all are finite.
  package var flaw: Flaw?

  /// Where a loss or a gradient is infinite or not a number.
  package struct Flaw: Hashable, Sendable {
    /// The leaf; nil where all leaves are finite and a sum of their gradients is not.
    package var leaf: Int?
    /// The first tensor in the order of backpropagation with such a gradient, by its place in the layout; nil where only
    /// the loss is such.
    package var tensor: Int?

    /// A flaw of a leaf, of a tensor, or of both.
    package init(leaf: Int?, tensor: Int?) {
      self.leaf = leaf
      self.tensor = tensor
    }
  }

  /// Metrics of a node.
  package init(
    examples: Int64 = 0, loss: Double = 0, correct: Int64 = 0, squaredError: Double = 0, computeSeconds: Double = 0,
    flaw: Flaw? = nil
  ) {
    self.examples = examples
    self.loss = loss
    self.correct = correct
    self.squaredError = squaredError
    self.computeSeconds = computeSeconds
    self.flaw = flaw
  }

  /// The parent's metrics. Along the tree, so that the sums' bits never depend on who computed what. The left flaw is the
  /// first.
  package static func + (left: NodeMetrics, right: NodeMetrics) -> NodeMetrics {
    NodeMetrics(
      examples: left.examples + right.examples, loss: left.loss + right.loss, correct: left.correct + right.correct,
      squaredError: left.squaredError + right.squaredError, computeSeconds: left.computeSeconds + right.computeSeconds,
      flaw: left.flaw ?? right.flaw)
  }

  /// The metrics' 48 bytes.
  package var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: NodeMetrics.size) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      bytes.storeBytes(of: examples.littleEndian, toByteOffset: 0, as: Int64.self)
      bytes.storeBytes(of: loss.bitPattern.littleEndian, toByteOffset: 8, as: UInt64.self)
      bytes.storeBytes(of: correct.littleEndian, toByteOffset: 16, as: Int64.self)
      bytes.storeBytes(of: squaredError.bitPattern.littleEndian, toByteOffset: 24, as: UInt64.self)
      bytes.storeBytes(of: computeSeconds.bitPattern.littleEndian, toByteOffset: 32, as: UInt64.self)
      bytes.storeBytes(of: Int32(flaw?.leaf ?? -1).littleEndian, toByteOffset: 40, as: Int32.self)
      bytes.storeBytes(of: Int32(flaw?.tensor ?? -1).littleEndian, toByteOffset: 44, as: Int32.self)
      count = NodeMetrics.size
    }
  }

  /// The most examples that a node may cover.
  package static let exampleCounts: ClosedRange<Int64> = 0...1 << 40

  /// Reads metrics.
  ///
  /// - Throws: ``WireError/payloadLength(found:expected:)`` where `bytes` are not exactly 48, and
  ///   ``WireError/outOfRange(_:value:range:)``.
  package init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
    guard bytes.count == NodeMetrics.size else { throw .payloadLength(found: bytes.count, expected: NodeMetrics.size) }
    func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value {
      Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
    func double(at offset: Int) -> Double { Double(bitPattern: integer(UInt64.self, at: offset)) }
    func index(_ name: String, at offset: Int) throws(WireError) -> Int? {
      let index = try (-1...Int32.max).checked(integer(Int32.self, at: offset), name)
      return index < 0 ? nil : Int(index)
    }
    let examples = try NodeMetrics.exampleCounts.checked(integer(Int64.self, at: 0), "count of examples")
    let squaredError = double(at: 24)
    if !squaredError.isNaN { _ = try (0...Double.infinity).checked(squaredError, "squared error") }
    let (leaf, tensor) = (try index("leaf", at: 40), try index("tensor", at: 44))
    self.init(
      examples: examples, loss: double(at: 8),
      correct: try (0...examples).checked(integer(Int64.self, at: 16), "count of correct examples"),
      squaredError: squaredError, computeSeconds: try (0...1e9).checked(double(at: 32), "compute time"),
      flaw: leaf == nil && tensor == nil ? nil : Flaw(leaf: leaf, tensor: tensor))
  }
}
