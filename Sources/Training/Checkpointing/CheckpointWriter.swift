internal import Foundation
internal import Synchronization

/// Writes checkpoints on a thread of its own, one at a time: the step loop only hands them over.
public final class CheckpointWriter: Sendable {
  private let store: CheckpointStore
  private let prepared: PreparedJob
  private let state = Mutex((isBusy: false, failures: [any Error]()))
  private let idle = DispatchSemaphore(value: 1)
  private let queue = DispatchQueue(label: "checkpoints")

  /// A writer into `store` for the run of `prepared`.
  public init(_ store: CheckpointStore, _ prepared: PreparedJob) {
    self.store = store
    self.prepared = prepared
  }

  /// Whether one is being written.
  public var isBusy: Bool { state.withLock { $0.isBusy } }

  /// Starts to write, after the one before.
  public func write(_ checkpoint: Checkpoint) {
    idle.wait()
    state.withLock { $0.isBusy = true }
    queue.async { [self] in
      do {
        try store.write(checkpoint, of: prepared)
      } catch {
        state.withLock { $0.failures.append(error) }
      }
      state.withLock { $0.isBusy = false }
      idle.signal()
    }
  }

  /// Waits for the one that is being written.
  ///
  /// - Throws: why it could not be written.
  public func finish() throws {
    idle.wait()
    idle.signal()
    if let failure = takeFailures().last { throw failure }
  }

  /// Why checkpoints could not be written since the last call.
  public func takeFailures() -> [any Error] {
    state.withLock { state in
      defer { state.failures = [] }
      return state.failures
    }
  }
}
