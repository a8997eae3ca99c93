internal import CKernels

/// An owned vector of float32 values, aligned to 64 bytes and zero at first.
///
/// A reference: whoever holds it may take views. Two threads must not use it at once while one writes; the code that
/// hands a buffer from thread to thread says what orders them.
public final class FloatBuffer: @unchecked Sendable {
  // Sendable: the storage never moves, and access is ordered by the holder (see above).
  private let storage: UnsafeMutableRawPointer
  /// What the storage is part of; nil where it is the buffer's own.
  private let owner: AnyObject?
  /// How many values the buffer holds.
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

  /// A buffer of the `count` values at `storage`, which `owner` keeps.
  public init(_ storage: UnsafeMutableRawPointer, count: Int, of owner: AnyObject) {
    self.storage = storage
    self.count = count
    self.owner = owner
  }

  deinit {
    if owner == nil { storage.deallocate() }
  }

  /// A buffer of the values in `range`, in place.
  public func part(_ range: Range<Int>) -> FloatBuffer {
    let part = all[range]
    return FloatBuffer(part.base, count: part.count, of: self)
  }

  /// All values, to write.
  public var all: MutableFloats {
    MutableFloats(base: storage.assumingMemoryBound(to: Float.self), count: count)
  }

  /// All values, to read.
  public var values: Floats { all.readOnly }

  /// A copy of the values.
  public var array: [Float] { withExtendedLifetime(self) { values.array } }
}
