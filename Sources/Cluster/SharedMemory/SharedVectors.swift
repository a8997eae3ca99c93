internal import CKernels
internal import Foundation
package import Kernels
package import Protocol
internal import Synchronization

/// Vectors of one length in memory that processes of one user on one machine share. One process makes it; others find it
/// by its ``name``. Nothing is left behind when they end, however they do.
///
/// A page with the name's token comes first, then the vectors, each from a page's start. Untouched vectors take no memory.
package final class SharedVectors: @unchecked Sendable {
  // Sendable: the mapping never moves; which process may write a vector is for the holders to agree on.

  /// Where others find it.
  package let name: SharedVectorsName
  private let descriptor: Int32
  private let base: UnsafeMutableRawPointer
  private let size: Int
  /// The indices that ``take()`` may give, the next one last.
  private let free: Mutex<[Int]>

  /// Memory for `vectors` vectors of `count` values; nil where the system has none to share.
  ///
  /// - Parameter isReadOnly: whether other processes may only read them.
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

  /// Maps what another process of this user has made; nil where that cannot be, on another machine for one, and where it is
  /// the memory of one of `others`, by whatever name.
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

  /// The vector at `index`, for as long as the caller holds the buffer. Not to be written where the mapping is not
  /// writable.
  package subscript(index: Int) -> FloatBuffer { FloatBuffer(start(of: index), count: name.count, of: self) }

  /// A vector that nobody in this process holds, with any content; nil where there is none. It is free again when the
  /// buffer goes.
  package func take() -> FloatBuffer? {
    free.withLock { $0.popLast() }.map { index in
      FloatBuffer(start(of: index), count: name.count, of: Loan(self, index))
    }
  }

  /// How many vectors ``take()`` could give.
  package var freeCount: Int { free.withLock { $0.count } }

  /// Which of the vectors `buffer` is; nil for none of them.
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

/// What the system calls the file of an open descriptor, by whatever name it was opened.
private func fileNumber(_ descriptor: Int32) -> [UInt64] {
  var status = stat()
  fstat(descriptor, &status)
  return [UInt64(status.st_dev), UInt64(status.st_ino)]
}
