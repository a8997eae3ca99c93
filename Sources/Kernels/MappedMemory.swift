internal import CKernels

/// A file's bytes, mapped into memory: the system reads a page of them when it is first used.
///
/// If the file becomes shorter meanwhile, the program ends with an error at the first use of a byte that is gone.
package final class MappedMemory: Sendable {
  private let start: UInt
  private let count: Int

  /// Maps the first `count` bytes, at least one, of the file that is open as `descriptor`; nil, with the reason in
  /// `errno`, if the system refuses. The descriptor may be closed afterwards.
  ///
  /// - Parameter message: the sentence for a byte that is gone, without `error:`.
  package init?(descriptor: Int32, count: Int, message: String) {
    precondition(count > 0, "a mapping of \(count) bytes")
    guard let memory = lk_map_file(descriptor, count, "error: \(message)\n") else { return nil }
    (start, self.count) = (UInt(bitPattern: memory), count)
  }

  deinit { lk_unmap_file(UnsafeRawPointer(bitPattern: start), count) }

  /// The bytes. Valid while the mapping lives.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: start), count: count)
  }
}
