internal import Foundation
internal import Synchronization

/// Turns SIGINT and SIGTERM into a call on a thread of its own, so that a run can end in order. A second signal ends
/// the process at once.
final class SignalWatch: Sendable {
  struct Signal: Sendable {
    let number: Int32
    var name: String { number == SIGINT ? "SIGINT" : "SIGTERM" }
  }

  private struct State {
    var received: Signal?
    var action: (@Sendable (Signal) -> Void)?
  }
  private let state = Mutex(State())

  /// Starts to watch; made before any other thread, so that all inherit the blocked signals.
  init() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    Thread.detachNewThread { [self] in
      while true {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        var number: Int32 = 0
        guard sigwait(&signals, &number) == 0 else { continue }
        receive(Signal(number: number))
      }
    }
  }

  /// The first signal that came.
  var received: Signal? { state.withLock { $0.received } }

  /// Calls `action` with the first signal from now on; until then a signal ends the process.
  func onSignal(_ action: @escaping @Sendable (Signal) -> Void) {
    state.withLock { $0.action = action }
  }

  private func receive(_ signal: Signal) {
    let (action, isSecond) = state.withLock { state in
      let isSecond = state.received != nil
      if !isSecond { state.received = signal }
      return (state.action, isSecond)
    }
    // Nothing to end in order yet, or asked twice.
    guard let action, !isSecond else { _exit(128 + signal.number) }
    action(signal)
  }
}
