internal import Foundation
internal import Synchronization

/// Writes checkpoints on its own thread, one at a time, while steps go on.
package final class CheckpointWriter: Sendable {
  private let store: CheckpointStore
  private let prepared: PreparedJob
  private let state = Mutex((isBusy: false, lastWritten: Int?.none, failures: [any Error]()))
  private let work = DispatchGroup()
  private let queue = DispatchQueue(label: "checkpoints")

  package init(_ store: CheckpointStore, _ prepared: PreparedJob) {
    (self.store, self.prepared) = (store, prepared)
  }

  /// Whether a checkpoint is being written. The last one may be held for a moment longer.
  package var isBusy: Bool { state.withLock { $0.isBusy } }

  /// The step of the last written checkpoint.
  package var lastWritten: Int? { state.withLock { $0.lastWritten } }

  /// Starts to write. Must not be called while ``isBusy``.
  package func write(_ checkpoint: Checkpoint) {
    state.withLock { $0.isBusy = true }
    queue.async(group: work) { [self] in
      do {
        try store.write(checkpoint, of: prepared)
        state.withLock { $0.lastWritten = checkpoint.state.step }
      } catch {
        state.withLock { $0.failures.append(error) }
      }
      state.withLock { $0.isBusy = false }
    }
  }

  package func finish() { work.wait() }

  /// Takes the errors since the last call.
  package func takeFailures() -> [any Error] {
    state.withLock { state in
      defer { state.failures = [] }
      return state.failures
    }
  }
}
