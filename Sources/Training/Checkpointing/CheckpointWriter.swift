internal import Foundation
internal import Synchronization

/// Writes checkpoints on a thread of its own, one at a time: the step loop only hands them over.
final class CheckpointWriter: Sendable {
  private let store: CheckpointStore
  private let prepared: PreparedJob
  private let state = Mutex((isBusy: false, failure: (any Error)?.none))
  private let idle = DispatchSemaphore(value: 1)
  private let queue = DispatchQueue(label: "checkpoints")

  init(_ store: CheckpointStore, _ prepared: PreparedJob) {
    self.store = store
    self.prepared = prepared
  }

  /// Whether one is being written.
  var isBusy: Bool { state.withLock { $0.isBusy } }

  /// Starts to write, after the one before.
  func write(_ checkpoint: Checkpoint) {
    idle.wait()
    state.withLock { $0.isBusy = true }
    queue.async { [self] in
      do {
        try store.write(checkpoint, of: prepared)
      } catch {
        state.withLock { $0.failure = error }
      }
      state.withLock { $0.isBusy = false }
      idle.signal()
    }
  }

  /// Waits for the one that is being written.
  ///
  /// - Throws: why a checkpoint could not be written.
  func finish() throws {
    idle.wait()
    idle.signal()
    try check()
  }

  /// - Throws: why a checkpoint could not be written.
  func check() throws {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }
}
