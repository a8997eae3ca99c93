package import Schema

/// What a tree node sums besides the gradient. 40 + 8·k bytes on the wire for k sums, little-endian:
///
/// | offset | size | field        | range         | unit                                                           |
/// | -----: | ---: | ------------ | ------------- | -------------------------------------------------------------- |
/// |      0 |    8 | examples     | 0…2⁴⁰         | count                                                          |
/// |      8 |    8 | weight       | finite, ≥ 0   | what means divide by, summed, float64                          |
/// |     16 |    8 | compute time | 0…10⁹         | seconds of compute threads, float64; not part of the result    |
/// |     24 |    4 | leaf         | from −1 on    | of the first flaw (``Flaw``), else −1                          |
/// |     28 |    4 | tensor       | from −1 on    | of the first flaw, else −1                                     |
/// |     32 |    4 | sums         | 1…16          | k                                                              |
/// |     36 |    4 | reserved     | 0             |                                                                |
/// |     40 |   8k | the sums     | any           | of the model's ``MetricSchema``, the loss first, float64       |
package struct NodeMetrics: Equatable, Sendable {
  package static func size(sums: Int) -> Int { 40 + 8 * sums }

  package var examples: Int64
  /// The divisor of means.
  package var weight: Double
  /// In the schema's order, the loss first.
  package var sums: [Double]
  package var computeSeconds: Double
  /// The first leaf with a loss or gradient that is infinite or not a number; nil if all are finite.
  package var flaw: Flaw?

  /// The loss summed over the examples.
  package var loss: Double { sums[0] }
  /// Not a number if the weight is 0.
  package var meanLoss: Double { loss / weight }

  /// A loss or a gradient that is infinite or not a number.
  package struct Flaw: Hashable, Sendable {
    /// Nil if every leaf is finite, but not a sum of their gradients.
    package var leaf: Int?
    /// The index in the layout of the first tensor, in the order of backpropagation, whose gradient is not finite; nil
    /// if only the loss is not.
    package var tensor: Int?

    package init(leaf: Int?, tensor: Int?) {
      (self.leaf, self.tensor) = (leaf, tensor)
    }
  }

  package init(examples: Int64, weight: Double, sums: [Double], computeSeconds: Double = 0, flaw: Flaw? = nil) {
    (self.examples, self.weight, self.sums) = (examples, weight, sums)
    (self.computeSeconds, self.flaw) = (computeSeconds, flaw)
  }

  /// One leaf's metrics.
  package init(examples: Int, _ metrics: Metrics) {
    self.init(examples: Int64(examples), weight: metrics.weight, sums: metrics.sums)
  }

  /// The parent's metrics. Added along the tree, so that the bits do not depend on who computed which leaf. The left
  /// flaw comes first.
  package static func + (left: NodeMetrics, right: NodeMetrics) -> NodeMetrics {
    NodeMetrics(
      examples: left.examples + right.examples, weight: left.weight + right.weight,
      sums: zip(left.sums, right.sums).map(+), computeSeconds: left.computeSeconds + right.computeSeconds,
      flaw: left.flaw ?? right.flaw)
  }

  package var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: NodeMetrics.size(sums: sums.count)) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      bytes.storeBytes(of: examples.littleEndian, toByteOffset: 0, as: Int64.self)
      bytes.storeBytes(of: weight.bitPattern.littleEndian, toByteOffset: 8, as: UInt64.self)
      bytes.storeBytes(of: computeSeconds.bitPattern.littleEndian, toByteOffset: 16, as: UInt64.self)
      bytes.storeBytes(of: Int32(flaw?.leaf ?? -1).littleEndian, toByteOffset: 24, as: Int32.self)
      bytes.storeBytes(of: Int32(flaw?.tensor ?? -1).littleEndian, toByteOffset: 28, as: Int32.self)
      bytes.storeBytes(of: UInt32(sums.count).littleEndian, toByteOffset: 32, as: UInt32.self)
      bytes.storeBytes(of: 0, toByteOffset: 36, as: UInt32.self)
      for (index, sum) in sums.enumerated() {
        bytes.storeBytes(of: sum.bitPattern.littleEndian, toByteOffset: 40 + 8 * index, as: UInt64.self)
      }
      count = NodeMetrics.size(sums: sums.count)
    }
  }

  package static let exampleCounts: ClosedRange<Int64> = 0...1 << 40

  /// - Throws: ``WireError/payloadLength(found:expected:)`` if the number of bytes does not match the sums, and
  ///   ``WireError/outOfRange(_:value:range:)``.
  package init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
    func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value {
      Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
    func double(at offset: Int) -> Double { Double(bitPattern: integer(UInt64.self, at: offset)) }
    func index(_ name: String, at offset: Int) throws(WireError) -> Int? {
      let index = try (-1...Int32.max).checked(integer(Int32.self, at: offset), name)
      return index < 0 ? nil : Int(index)
    }
    let least = NodeMetrics.size(sums: 1)
    guard bytes.count >= least else { throw .payloadLength(found: bytes.count, expected: least) }
    let count = Int(try (1...UInt32(MetricSchema.mostSums)).checked(integer(UInt32.self, at: 32), "count of sums"))
    guard bytes.count == NodeMetrics.size(sums: count) else {
      throw .payloadLength(found: bytes.count, expected: NodeMetrics.size(sums: count))
    }
    _ = try (0...UInt32(0)).checked(integer(UInt32.self, at: 36), "reserved field")
    let (leaf, tensor) = (try index("leaf", at: 24), try index("tensor", at: 28))
    self.init(
      examples: try NodeMetrics.exampleCounts.checked(integer(Int64.self, at: 0), "count of examples"),
      weight: try Header.weights.checked(double(at: 8), "weight"), sums: (0..<count).map { double(at: 40 + 8 * $0) },
      computeSeconds: try (0...1e9).checked(double(at: 16), "compute time"),
      flaw: leaf == nil && tensor == nil ? nil : Flaw(leaf: leaf, tensor: tensor))
  }
}
