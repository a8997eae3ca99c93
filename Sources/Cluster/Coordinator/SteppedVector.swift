internal import Kernels

/// A vector before and after the current step. What was sent or saved of it does not change: it is written again only
/// when nobody else holds it.
struct SteppedVector {
  /// Before the current step.
  private(set) var current: FloatBuffer
  /// After the current step, where it is updated.
  private(set) var updated: FloatBuffer
  /// Former ones that others may still hold.
  private var retired: [FloatBuffer] = []
  private let make: () -> FloatBuffer

  /// - Parameter make: gives another vector.
  init(_ make: @escaping () -> FloatBuffer) {
    (current, updated, self.make) = (make(), make(), make)
  }

  mutating func advance() {
    retired.append(current)
    current = updated
    // A stalled peer holds one until its connection closes.
    if let index = retired.indices.first(where: { isKnownUniquelyReferenced(&retired[$0]) }) {
      updated = retired.remove(at: index)
    } else {
      updated = make()
    }
    // The others are freed when ZeroMQ releases them.
    if retired.count > 1 { retired.removeFirst(retired.count - 1) }
  }
}
