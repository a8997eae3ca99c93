internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports
internal import Synchronization

/// Shows how many of a sweep's next trials have ended: a bar on a terminal, lines elsewhere.
final class TrialDisplay: Sendable {
  private let state: Mutex<(ended: Int, lastShown: Instant)>
  private let count: Int
  private let start = Instant.now
  private let isTerminal = isatty(STDOUT_FILENO) == 1

  init(of count: Int) {
    self.count = count
    state = Mutex((0, Instant.now))
  }

  func show(_ result: TrialResult) {
    if result.outcome == .failed {
      printError("warning: \(result.trial.name) failed: \(oneLine(result.error ?? ""))")
    }
    let now = Instant.now
    let (ended, isDue) = state.withLock { state in
      state.ended += 1
      let isDue = isTerminal || now.seconds(since: state.lastShown) > 30
      if isDue { state.lastShown = now }
      return (state.ended, isDue)
    }
    guard isDue else { return }
    let left = now.seconds(since: start) / Double(ended) * Double(count - ended)
    let text = "\(grouped(ended)) of \(grouped(count)) trials  \(result.trial.name)  \(duration(left)) left"
    if isTerminal { StatusLine.draw(String(text.prefix(max(terminalWidth() - 1, 20)))) } else { printLine(text) }
  }
}
