internal import Kernels
internal import Synchronization

/// A pool of gradient vectors. A vector returns to it when the last holder, a thread or ZeroMQ, releases it.
final class GradientPool: Sendable {
  private let count: Int
  private let free = Mutex<[FloatBuffer]>([])
  private let vectors = Mutex<SharedVectors?>(nil)

  init(count: Int) {
    self.count = count
  }

  /// Puts new gradients into memory that the coordinator can map; nil if none can be shared.
  func makeShared() -> SharedVectors? {
    vectors.withLock { vectors in
      // More than an assignment has nodes; unused vectors take no memory.
      vectors = vectors ?? SharedVectors(vectors: 64, count: count)
      return vectors
    }
  }

  /// Takes a vector, with any content.
  func take() -> Gradient {
    let shared = vectors.withLock { $0 }?.take()
    let buffer = shared ?? free.withLock { $0.popLast() } ?? FloatBuffer(count: count)
    return Gradient(buffer, pool: self, isShared: shared != nil)
  }

  fileprivate func recycle(_ buffer: FloatBuffer) {
    free.withLock { $0.append(buffer) }
  }
}

/// A gradient vector of the pool.
final class Gradient: Sendable {
  let buffer: FloatBuffer
  private let pool: GradientPool
  private let isShared: Bool

  fileprivate init(_ buffer: FloatBuffer, pool: GradientPool, isShared: Bool) {
    (self.buffer, self.pool, self.isShared) = (buffer, pool, isShared)
  }

  deinit {
    if !isShared { pool.recycle(buffer) }
  }
}
