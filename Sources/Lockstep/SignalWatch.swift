internal import Cluster
internal import Foundation
internal import Protocol
internal import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP into a call on a thread of its own, so that a run can end in order. A further one ends
/// the process at once, unless it comes within a tenth of a second: `timeout` and other supervisors send each signal
/// twice, to the process and to its group.
final class SignalWatch: Sendable {
  struct Signal: Sendable {
    let number: Int32
    var name: String { [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP"][number] ?? "signal \(number)" }
  }

  private struct State {
    var received: (signal: Signal, at: Instant)?
    var action: (@Sendable (Signal) -> Void)?
  }
  private let state = Mutex(State())

  /// Starts to watch; made before any other thread, so that all inherit the blocked signals.
  init() {
    // A SIGHUP that nohup has made harmless stays so.
    var hangUp = sigaction()
    sigaction(SIGHUP, nil, &hangUp)
    let watched = isIgnored(hangUp) ? [SIGINT, SIGTERM] : [SIGINT, SIGTERM, SIGHUP]
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in watched { sigaddset(&signals, signal) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    Thread.detachNewThread { [self, signals] in
      var signals = signals
      while true {
        var number: Int32 = 0
        guard sigwait(&signals, &number) == 0 else { continue }
        receive(Signal(number: number))
      }
    }
  }

  /// The first signal that came.
  var received: Signal? { state.withLock { $0.received?.signal } }

  /// Calls `action` with the first signal from now on; until then a signal ends the process.
  func onSignal(_ action: @escaping @Sendable (Signal) -> Void) {
    state.withLock { $0.action = action }
  }

  private func receive(_ signal: Signal) {
    let now = Instant.now
    let (action, first) = state.withLock { state in
      defer { if state.received == nil { state.received = (signal, now) } }
      return (state.action, state.received)
    }
    if let first {
      if now.seconds(since: first.at) < 0.1 { return }
    } else if let action {
      action(signal)
      return
    }
    printError("error: interrupted by \(signal.name)")
    _exit(128 + signal.number)
  }
}

private func isIgnored(_ action: sigaction) -> Bool {
  #if canImport(Darwin)
    let handler = action.__sigaction_u.__sa_handler
  #else
    let handler = action.__sigaction_handler.sa_handler
  #endif
  return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
}
