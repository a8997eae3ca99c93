internal import Foundation
internal import Kernels
internal import Synchronization

/// Memory for copies of a vector, one at a time.
///
/// A large one is fetched by a thread of its own: for memory that has never been used, the system may take many times as
/// long as for the copy.
final class CopyMemory: Sendable {
  private let count: Int
  private let state = Mutex((buffer: FloatBuffer?.none, isBeingFetched: false))

  /// For vectors of `count` values.
  init(count: Int) {
    self.count = count
  }

  /// Whether it is there and free. Asked for the first time, it is fetched.
  var isReady: Bool {
    let mustFetch = state.withLock { state in
      defer { if state.buffer == nil { state.isBeingFetched = true } }
      return state.buffer == nil && !state.isBeingFetched
    }
    if mustFetch {
      if count < 1 << 20 { fetch() } else { Thread.detachNewThread { self.fetch() } }
    }
    return state.withLock { $0.buffer != nil && isKnownUniquelyReferenced(&$0.buffer) }
  }

  private func fetch() {
    let buffer = FloatBuffer(count: count)
    state.withLock { $0.buffer = buffer }
  }

  /// Memory with any content: what is ready, else new.
  func take() -> FloatBuffer {
    let ready = state.withLock { state in
      state.buffer != nil && isKnownUniquelyReferenced(&state.buffer) ? state.buffer : nil
    }
    return ready ?? FloatBuffer(count: count)
  }
}
