internal import Files
internal import Foundation
internal import Reports
internal import Synchronization

/// Keeps a sweep's ``SweepStatus`` in its folder, for those who watch it.
final class SweepProgress: Sendable {
  private let path: String
  private let state: Mutex<(status: SweepStatus, hasWarned: Bool)>

  init(_ folder: String, headline: String) {
    path = "\(folder)/\(SweepStatus.name)"
    state = Mutex(
      (
        SweepStatus(
          pid: getpid(), host: ProcessInfo.processInfo.hostName, headline: headline, now: Date().timeIntervalSince1970),
        false
      ))
    change { _ in }
  }

  /// A round of so many trials begins.
  func plan(_ count: Int) { change { ($0.planned, $0.ended) = (count, 0) } }

  @Sendable func begin(_ trial: Trial) { change { $0.running.append(trial) } }

  func finish(_ trial: Trial) {
    change { status in
      status.running.removeAll { $0 == trial }
      status.ended += 1
    }
  }

  /// - Parameter failure: nil for a sweep that is complete.
  func end(_ failure: String?) {
    change { ($0.state, $0.error, $0.running) = (failure == nil ? "completed" : "failed", failure, []) }
  }

  private func change(_ change: (inout SweepStatus) -> Void) {
    let warning = state.withLock { state -> String? in
      change(&state.status)
      state.status.updated = Date().timeIntervalSince1970
      do {
        try AtomicFile.replace(try JSONEncoder().encode(state.status), at: path)
        return nil
      } catch {
        defer { state.hasWarned = true }
        return state.hasWarned ? nil : "\(error)"
      }
    }
    if let warning { printError("warning: those who watch the sweep do not see how it is: \(warning)") }
  }
}
