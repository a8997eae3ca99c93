internal import Foundation
internal import Synchronization

/// Writes checkpoints on a thread of its own, one at a time: the step loop only hands them over.
package final class CheckpointWriter: Sendable {
  private let store: CheckpointStore
  private let prepared: PreparedJob
  private let state = Mutex((isBusy: false, lastWritten: Int?.none, failures: [any Error]()))
  private let work = DispatchGroup()
  private let queue = DispatchQueue(label: "checkpoints")

  /// A writer into `store` for the run of `prepared`.
  package init(_ store: CheckpointStore, _ prepared: PreparedJob) {
    self.store = store
    self.prepared = prepared
  }

  /// Whether one is being written.
  package var isBusy: Bool { state.withLock { $0.isBusy } }

  /// The step of the last one that was written.
  package var lastWritten: Int? { state.withLock { $0.lastWritten } }

  /// Starts to write; to be called while none is being written.
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

  /// Waits for the one that is being written.
  package func finish() { work.wait() }

  /// Why checkpoints could not be written since the last call.
  package func takeFailures() -> [any Error] {
    state.withLock { state in
      defer { state.failures = [] }
      return state.failures
    }
  }
}
