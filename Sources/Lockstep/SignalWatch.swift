internal import Cluster
internal import Foundation
internal import Protocol
internal import Synchronization

/// Calls an action on its own thread at the first SIGINT, SIGTERM or SIGHUP, so that a run can end cleanly. A second
/// signal ends the process at once, but not within a tenth of a second: `timeout` and other supervisors send each
/// signal twice, to the process and to its group.
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

  /// Must be made before any other thread, so that all threads block these signals.
  init() {
    // nohup ignores SIGHUP; that must stay so.
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

  var received: Signal? { state.withLock { $0.received?.signal } }

  /// From now on the first signal calls `action`. Before, it ends the process.
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
    StatusLine.leaveScreen()
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
