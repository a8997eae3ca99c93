internal import CKernels

/// An owned vector of float32 values, aligned to 64 bytes and zero at first.
///
/// Threads must not use it at the same time while one of them writes. The code that passes a buffer between threads
/// documents what orders their accesses.
public final class FloatBuffer: @unchecked Sendable {
  // Sendable: the storage never moves, and its users order their accesses (see above).
  private let storage: UnsafeMutableRawPointer
  /// Keeps borrowed storage alive; nil if the buffer owns its storage.
  private let owner: AnyObject?
  /// The number of values.
  public let count: Int

  /// A buffer of `count` zeros.
  public init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) values")
    self.count = count
    owner = nil
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    storage = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    storage.initializeMemory(as: Float.self, repeating: 0, count: count)
  }

  /// A buffer with a copy of `values`.
  public convenience init(_ values: [Float]) {
    self.init(count: values.count)
    values.withUnsafeBytes { all.copy(bytes: $0) }
  }

  /// A buffer that borrows `count` values at `storage` and retains `owner`, which must keep them alive.
  public init(_ storage: UnsafeMutableRawPointer, count: Int, of owner: AnyObject) {
    (self.storage, self.count, self.owner) = (storage, count, owner)
  }

  deinit {
    if owner == nil { storage.deallocate() }
  }

  /// A buffer that shares the values in `range` with this one.
  public func part(_ range: Range<Int>) -> FloatBuffer {
    let part = all[range]
    return FloatBuffer(part.base, count: part.count, of: self)
  }

  /// A writable view of all values.
  public var all: MutableFloats {
    MutableFloats(base: storage.assumingMemoryBound(to: Float.self), count: count)
  }

  /// A read-only view of all values.
  public var values: Floats { all.readOnly }

  /// A copy of the values.
  public var array: [Float] { withExtendedLifetime(self) { values.array } }
}
