internal import Kernels
internal import Synchronization

/// Gradient vectors to be used again: each goes back when the last that holds it lets go, be it a thread or ZeroMQ.
final class GradientPool: Sendable {
  private let parameterCount: Int
  private let free = Mutex<[FloatBuffer]>([])
  private let vectors = Mutex<SharedVectors?>(nil)

  init(parameterCount: Int) {
    self.parameterCount = parameterCount
  }

  /// Memory that the coordinator can map, of which gradients are from now on; nil where there is none.
  func makeShared() -> SharedVectors? {
    vectors.withLock { vectors in
      // More than an assignment's nodes; what is not used takes no memory.
      vectors = vectors ?? SharedVectors(vectors: 64, count: parameterCount)
      return vectors
    }
  }

  /// A vector with any content.
  func take() -> Gradient {
    let shared = vectors.withLock { $0 }?.take()
    let buffer = shared ?? free.withLock { $0.popLast() } ?? FloatBuffer(count: parameterCount)
    return Gradient(buffer, pool: self, isShared: shared != nil)
  }

  fileprivate func recycle(_ buffer: FloatBuffer) {
    free.withLock { $0.append(buffer) }
  }
}

/// A gradient vector on loan.
final class Gradient: Sendable {
  let buffer: FloatBuffer
  private let pool: GradientPool
  private let isShared: Bool

  fileprivate init(_ buffer: FloatBuffer, pool: GradientPool, isShared: Bool) {
    self.buffer = buffer
    self.pool = pool
    self.isShared = isShared
  }

  deinit {
    if !isShared { pool.recycle(buffer) }
  }
}
