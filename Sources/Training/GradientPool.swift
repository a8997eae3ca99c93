internal import Kernels
internal import Synchronization

/// Gradient vectors to be used again: each goes back when the last that holds it lets go, be it a thread or ZeroMQ.
final class GradientPool: Sendable {
  private let parameterCount: Int
  private let free = Mutex<[FloatBuffer]>([])

  init(parameterCount: Int) {
    self.parameterCount = parameterCount
  }

  /// A vector with any content.
  func take() -> Gradient {
    let buffer = free.withLock { $0.popLast() } ?? FloatBuffer(count: parameterCount)
    return Gradient(buffer, pool: self)
  }

  fileprivate func giveBack(_ buffer: FloatBuffer) {
    free.withLock { $0.append(buffer) }
  }
}

/// A gradient vector on loan.
final class Gradient: Sendable {
  let buffer: FloatBuffer
  private let pool: GradientPool

  fileprivate init(_ buffer: FloatBuffer, pool: GradientPool) {
    self.buffer = buffer
    self.pool = pool
  }

  deinit { pool.giveBack(buffer) }
}
