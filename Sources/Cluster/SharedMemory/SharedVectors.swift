internal import CKernels
internal import Foundation
package import Kernels
package import Protocol
internal import Synchronization

/// Vectors of equal length in memory shared by processes of one user on one machine. One process makes it; others open
/// it by its ``name``. It vanishes when they end, however they do.
///
/// The memory begins with a page that holds the name's token. Each vector starts at a page. Unused vectors take no
/// memory.
package final class SharedVectors: @unchecked Sendable {
  // Sendable: the mapping never moves; which process may write a vector is for the holders to agree on.

  package let name: SharedVectorsName
  private let descriptor: Int32
  private let base: UnsafeMutableRawPointer
  private let size: Int
  /// Indices of free vectors; ``take()`` gives the last.
  private let free: Mutex<[Int]>

  /// Memory for `vectors` vectors of `count` values; nil if the system cannot share memory.
  ///
  /// - Parameter isReadOnly: whether other processes can only read.
  package init?(vectors: Int, count: Int, isReadOnly: Bool = false) {
    guard let size = SharedVectors.size(vectors: vectors, count: count) else { return nil }
    descriptor = lk_memory_create(size)
    guard descriptor >= 0 else { return nil }
    guard let base = SharedVectors.map(descriptor, size, PROT_READ | PROT_WRITE) else {
      close(descriptor)
      return nil
    }
    if isReadOnly { lk_memory_make_read_only(descriptor) }
    (self.base, self.size) = (base, size)
    name = SharedVectorsName(
      process: getpid(), descriptor: descriptor, token: UInt64.random(in: 1...UInt64.max), vectors: vectors,
      count: count)
    free = Mutex(Array((0..<vectors).reversed()))
    base.storeBytes(of: name.token, as: UInt64.self)
  }

  /// Maps the memory of another process of this user; nil if that fails, for example on another machine, or if it is
  /// the memory of one of `others`.
  package init?(_ name: SharedVectorsName, isWritable: Bool, otherThan others: [SharedVectors] = []) {
    guard let size = SharedVectors.size(vectors: name.vectors, count: name.count) else { return nil }
    descriptor = lk_memory_open(name.process, name.descriptor, size, isWritable ? 1 : 0)
    guard descriptor >= 0 else { return nil }
    let file = fileNumber(descriptor)
    guard !others.contains(where: { fileNumber($0.descriptor) == file }) else {
      close(descriptor)
      return nil
    }
    let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    guard let base = SharedVectors.map(descriptor, size, protection) else {
      close(descriptor)
      return nil
    }
    guard base.load(as: UInt64.self) == name.token else {
      munmap(base, size)
      close(descriptor)
      return nil
    }
    (self.base, self.size, self.name) = (base, size, name)
    free = Mutex([])
  }

  deinit {
    munmap(base, size)
    close(descriptor)
  }

  private static let page = 1 << 14

  private static func size(vectors: Int, count: Int) -> Int? {
    guard SharedVectorsName.vectorCounts.contains(vectors), SharedVectorsName.lengths.contains(count) else {
      return nil
    }
    let (size, overflow) = stride(count).multipliedReportingOverflow(by: vectors)
    return overflow || size > Int.max - page ? nil : size + page
  }

  private static func stride(_ count: Int) -> Int { (count * MemoryLayout<Float>.size + page - 1) / page * page }

  private static func map(_ descriptor: Int32, _ size: Int, _ protection: Int32) -> UnsafeMutableRawPointer? {
    let base = mmap(nil, size, protection, MAP_SHARED, descriptor, 0)
    return base == MAP_FAILED ? nil : base
  }

  private func start(of index: Int) -> UnsafeMutableRawPointer {
    precondition(index >= 0 && index < name.vectors, "vector \(index) of \(name.vectors)")
    return base + SharedVectors.page + index * SharedVectors.stride(name.count)
  }

  /// The vector at `index`. It must not be written if the mapping is read-only.
  package subscript(index: Int) -> FloatBuffer { FloatBuffer(start(of: index), count: name.count, of: self) }

  /// Takes a free vector, with any content; nil if there is none. Releasing the buffer frees it.
  package func take() -> FloatBuffer? {
    free.withLock { $0.popLast() }.map { index in
      FloatBuffer(start(of: index), count: name.count, of: Loan(self, index))
    }
  }

  package var freeCount: Int { free.withLock { $0.count } }

  /// The index of the vector `buffer`; nil if it is not in this memory.
  package func index(of buffer: FloatBuffer) -> Int? {
    let offset = buffer.values.bytes.baseAddress! - UnsafeRawPointer(base) - SharedVectors.page
    let stride = SharedVectors.stride(name.count)
    guard offset >= 0, offset < name.vectors * stride else { return nil }
    return offset / stride
  }

  private final class Loan {
    let vectors: SharedVectors
    let index: Int

    init(_ vectors: SharedVectors, _ index: Int) {
      (self.vectors, self.index) = (vectors, index)
    }

    deinit { vectors.free.withLock { $0.append(index) } }
  }
}

/// Device and inode, which are the same for all descriptors of a file.
private func fileNumber(_ descriptor: Int32) -> [UInt64] {
  var status = stat()
  fstat(descriptor, &status)
  return [UInt64(status.st_dev), UInt64(status.st_ino)]
}
