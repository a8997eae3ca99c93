internal import Files
internal import Foundation
internal import Synchronization

/// Writes a run's `status.json` on its own thread, so that a slow disk does not hold up the run. Of several that wait, only
/// the last is written.
package final class StatusWriter: Sendable {
  private let path: String
  private let state = Mutex((next: RunStatus?.none, isWriting: false, failure: String?.none))
  private let queue = DispatchQueue(label: "status", qos: .utility)

  /// - Parameter folder: the run's.
  package init(folder: String) { path = "\(folder)/\(RunStatus.name)" }

  package func write(_ status: RunStatus) {
    let isIdle = state.withLock { state in
      state.next = status
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if isIdle { queue.async { [self] in writeAll() } }
  }

  /// Waits until all is written.
  package func finish() { queue.sync {} }

  /// Takes the last error since the last call.
  package func takeFailure() -> String? {
    state.withLock { state in
      defer { state.failure = nil }
      return state.failure
    }
  }

  private func writeAll() {
    func next() -> RunStatus? {
      state.withLock { state in
        defer { state.next = nil }
        state.isWriting = state.next != nil
        return state.next
      }
    }
    while let status = next() {
      do {
        try AtomicFile.replace(status.encoded(), at: path)
      } catch {
        state.withLock { $0.failure = "\(error)" }
      }
    }
  }
}
