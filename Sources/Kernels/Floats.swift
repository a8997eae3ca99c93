internal import CKernels

/// A borrowed, read-only view of float32 values.
///
/// A view does not keep its storage alive. It is valid during the call that it was passed to, or as long as a variable
/// holds the ``FloatBuffer`` that it was taken from. Indices are checked.
public struct Floats: @unchecked Sendable {
  // Sendable: concurrent reads are safe, and the storage's owner orders writes before them.
  @usableFromInline let base: UnsafePointer<Float>
  /// The number of values.
  public let count: Int

  /// A view of `count` values from `base`, which must stay valid and unchanged while the view is used.
  @inlinable public init(base: UnsafePointer<Float>, count: Int) {
    (self.base, self.count) = (base, count)
  }

  /// The valid indices, from 0.
  @inlinable public var indices: Range<Int> { 0..<count }

  /// The value at `index`.
  @inlinable public subscript(index: Int) -> Float {
    precondition(index >= 0 && index < count, "index outside the view")
    return base[index]
  }

  /// The values in `range`; the first of them gets index 0.
  @inlinable public subscript(range: Range<Int>) -> Floats {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
    return Floats(base: base + range.lowerBound, count: range.count)
  }

  /// A view of the same count, `distance` values further on in the same buffer. Not checked.
  package func displaced(by distance: Int) -> Floats { Floats(base: base + distance, count: count) }

  /// The values' bytes, in native byte order.
  @inlinable public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride)
  }

  /// Whether no value is infinite or a NaN.
  public var areFinite: Bool { kernels.all_finite(base, count) != 0 }

  /// A copy of the values.
  public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

/// A borrowed, writable view of float32 values. See ``Floats`` for how long it is valid.
public struct MutableFloats: @unchecked Sendable {
  // Sendable: one thread at a time uses it; the storage's owner orders them.
  @usableFromInline let base: UnsafeMutablePointer<Float>
  /// The number of values.
  public let count: Int

  /// A view of `count` values from `base`, which must stay valid and unshared while the view is used.
  @inlinable public init(base: UnsafeMutablePointer<Float>, count: Int) {
    (self.base, self.count) = (base, count)
  }

  /// The valid indices, from 0.
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

  /// The values in `range`; the first of them gets index 0.
  @inlinable public subscript(range: Range<Int>) -> MutableFloats {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
    return MutableFloats(base: base + range.lowerBound, count: range.count)
  }

  /// The same values, read-only.
  @inlinable public var readOnly: Floats { Floats(base: base, count: count) }

  /// The first value's address, for code that writes all of them at once.
  package var unsafeStart: UnsafeMutablePointer<Float> { base }

  /// Whether this is a view of the same memory.
  package func isSame(as other: Floats) -> Bool { UnsafePointer(base) == other.base && count == other.count }

  /// Sets all values to `value`.
  public func fill(_ value: Float) {
    base.update(repeating: value, count: count)
  }

  /// Copies `source`, which must have the same count.
  public func copy(_ source: Floats) {
    precondition(source.count == count, "copying \(source.count) values into \(count)")
    base.update(from: source.base, count: count)
  }

  /// Copies exactly 4 · ``count`` bytes in native byte order.
  public func copy(bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == count * MemoryLayout<Float>.stride, "copying \(bytes.count) bytes into \(count) floats")
    UnsafeMutableRawBufferPointer(start: base, count: bytes.count).copyMemory(from: bytes)
  }
}
