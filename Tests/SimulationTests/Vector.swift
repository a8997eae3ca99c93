/// Values that a coordinator and its workers may share, as processes of one machine do. Who reuses them poisons them first,
/// so that whatever still reads them shows.
final class Vector {
  var values: [Float]

  init(_ values: [Float]) { self.values = values }

  func poison() { values = Array(repeating: .nan, count: values.count) }
}

/// A part of a vector: where a message's payload is.
struct Span {
  let vector: Vector
  let range: Range<Int>
  /// Whether the receiver reads its sender's memory; else the vector is the message's own.
  let isShared: Bool

  /// A part of the sender's memory.
  init(of vector: Vector, _ range: Range<Int>) { (self.vector, self.range, isShared) = (vector, range, true) }

  /// A copy of these values.
  init(copying values: some Collection<Float>) {
    (vector, range, isShared) = (Vector(Array(values)), 0..<values.count, false)
  }

  var values: [Float] { Array(vector.values[range]) }

  /// Writes in place, as both sides do in memory that is mapped.
  func replace(with values: [Float]) { vector.values.replaceSubrange(range, with: values) }
}
