internal import Files
internal import Foundation
internal import Synchronization

/// Writes a run's `status.json` on its own thread, so that a slow disk does not hold up the run. Of several that wait, only
/// the last is written.
package final class StatusWriter: Sendable {
  private let path: String
  private let state = Mutex((next: RunStatus?.none, isWriting: false, hasWarned: false))
  private let queue = DispatchQueue(label: "status", qos: .utility)

  private let warn: @Sendable (String) -> Void

  /// - Parameters:
  ///   - folder: the run's.
  ///   - warn: gets the first error, on another thread.
  package init(folder: String, warn: @escaping @Sendable (String) -> Void) {
    path = "\(folder)/\(RunStatus.name)"
    self.warn = warn
  }

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
        let isFirst = state.withLock { state in
          defer { state.hasWarned = true }
          return !state.hasWarned
        }
        if isFirst { warn("\(error)") }
      }
    }
  }
}
