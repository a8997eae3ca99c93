/// An owned vector of float32 values, aligned to 64 bytes and zero at first.
///
/// A reference: whoever holds it may take views. Two threads must not use it at once while one writes; the code that
/// hands a buffer from thread to thread says what orders them.
public final class FloatBuffer: @unchecked Sendable {
  // Sendable: the storage never moves, and access is ordered by the holder (see above).
  private let storage: UnsafeMutableRawPointer
  /// How many values the buffer holds.
  public let count: Int

  /// A buffer of `count` zeros.
  public init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) values")
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    storage = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    storage.initializeMemory(as: Float.self, repeating: 0, count: count)
  }

  /// A buffer with a copy of `values`.
  public convenience init(_ values: [Float]) {
    self.init(count: values.count)
    values.withUnsafeBytes { all.copy(bytes: $0) }
  }

  deinit { storage.deallocate() }

  /// All values, to write.
  public var all: MutableFloats {
    MutableFloats(base: storage.assumingMemoryBound(to: Float.self), count: count)
  }

  /// All values, to read.
  public var values: Floats { all.readOnly }

  /// A copy of the values.
  public var array: [Float] { withExtendedLifetime(self) { values.array } }
}
