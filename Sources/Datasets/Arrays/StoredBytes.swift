internal import Foundation
internal import Kernels

/// Bytes that stay as they are: of a file that is mapped into memory, or in memory of their own.
final class StoredBytes: @unchecked Sendable {
  // Sendable: nobody writes them after the initializer.
  let all: UnsafeRawBufferPointer
  /// nil for memory of their own.
  private let mapping: MappedMemory?
  /// The file that they come from; nil for a program's own bytes.
  private let file: RegularFile?

  /// Maps the file at `path`. What is not used takes no memory.
  init(path: String) throws {
    let file = try RegularFile(path: path)
    self.file = file
    guard file.size > 0 else {
      (all, mapping) = (UnsafeRawBufferPointer(start: nil, count: 0), nil)
      return
    }
    guard
      let mapping = MappedMemory(descriptor: file.descriptor, count: file.size, message: RegularFile.changed(path))
    else {
      throw DatasetError("\(path) cannot be mapped into memory: \(String(cString: strerror(errno)))")
    }
    (all, self.mapping) = (mapping.bytes, mapping)
  }

  /// Takes over `count` bytes of `memory`, which `malloc` has allocated.
  ///
  /// - Parameter source: the bytes that they were made of; nil for none.
  init(owning memory: UnsafeMutableRawPointer, count: Int, from source: StoredBytes?) {
    all = UnsafeRawBufferPointer(start: memory, count: count)
    (mapping, file) = (nil, source?.file)
  }

  /// A copy of `bytes`.
  convenience init(_ bytes: [UInt8]) {
    let memory = StoredBytes.allocate(bytes.count)
    bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count) }
    self.init(owning: memory, count: bytes.count, from: nil)
  }

  deinit {
    if mapping == nil { free(UnsafeMutableRawPointer(mutating: all.baseAddress)) }
  }

  /// Memory for ``init(owning:count:from:)``.
  static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
    guard let memory = malloc(max(count, 1)) else { fatalError("no memory for \(count) bytes") }
    return memory
  }

  /// - Throws: ``DatasetError`` if the file has changed since it was opened.
  func checkUnchanged() throws { try file?.checkUnchanged() }
}
