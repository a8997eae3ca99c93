internal import CKernels

/// A borrowed, read-only run of float32 values.
///
/// A view does not keep its storage alive: it is valid for the call that it was passed to, or for as long as the
/// ``FloatBuffer`` it was taken from, which must be held by a variable meanwhile. Indices are checked.
public struct Floats: @unchecked Sendable {
  // Sendable: reading is safe from any thread, and whoever writes the storage is ordered before by its owner.
  @usableFromInline let base: UnsafePointer<Float>
  /// How many values the view spans.
  public let count: Int

  /// A view of `count` values from `base`, which must stay valid and unchanged while the view is used.
  @inlinable public init(base: UnsafePointer<Float>, count: Int) {
    self.base = base
    self.count = count
  }

  /// The values' valid indices, from zero.
  @inlinable public var indices: Range<Int> { 0..<count }

  /// The value at `index`.
  @inlinable public subscript(index: Int) -> Float {
    precondition(index >= 0 && index < count, "index outside the view")
    return base[index]
  }

  /// The part of the view that `range` names; its first value has index 0.
  @inlinable public subscript(range: Range<Int>) -> Floats {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
    return Floats(base: base + range.lowerBound, count: range.count)
  }

  /// As many values, `distance` values further on in the same buffer.
  package func displaced(by distance: Int) -> Floats { Floats(base: base + distance, count: count) }

  /// The view's bytes, in this machine's order.
  @inlinable public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride)
  }

  /// Whether no value is infinite or a NaN.
  public var areFinite: Bool { lk_all_finite(base, count) != 0 }

  /// A copy of the values.
  public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

/// A borrowed run of float32 values that its holder may write. See ``Floats`` for how long it is valid.
public struct MutableFloats: @unchecked Sendable {
  // Sendable: handed to one thread at a time; its owner orders the hand-over.
  @usableFromInline let base: UnsafeMutablePointer<Float>
  /// How many values the view spans.
  public let count: Int

  /// A view of `count` values from `base`, which must stay valid and unshared while the view is used.
  @inlinable public init(base: UnsafeMutablePointer<Float>, count: Int) {
    self.base = base
    self.count = count
  }

  /// The values' valid indices, from zero.
  @inlinable public var indices: Range<Int> { 0..<count }

  /// The value at `index`.
  @inlinable public subscript(index: Int) -> Float {
    get {
      precondition(index >= 0 && index < count, "index outside the view")
      return base[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "index outside the view")
      base[index] = newValue
    }
  }

  /// The part of the view that `range` names; its first value has index 0.
  @inlinable public subscript(range: Range<Int>) -> MutableFloats {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
    return MutableFloats(base: base + range.lowerBound, count: range.count)
  }

  /// The same values, read-only.
  @inlinable public var readOnly: Floats { Floats(base: base, count: count) }

  /// Sets every value.
  public func fill(_ value: Float) {
    base.update(repeating: value, count: count)
  }

  /// Copies values of the same count.
  public func copy(_ source: Floats) {
    precondition(source.count == count, "copying \(source.count) values into \(count)")
    base.update(from: source.base, count: count)
  }

  /// Copies values given as bytes in this machine's order; their count must fit exactly.
  public func copy(bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == count * MemoryLayout<Float>.stride, "copying \(bytes.count) bytes into \(count) floats")
    UnsafeMutableRawBufferPointer(start: base, count: bytes.count).copyMemory(from: bytes)
  }
}
