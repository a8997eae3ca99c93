internal import Cluster
internal import Foundation
internal import Protocol
internal import Runs

extension Worker {
  /// Says where workers that go through this one connect to, if it listens.
  func printRelayAddress(_ security: WorkerSecurity?) {
    guard let relayAddress else { return }
    let keys = security.map { " --key FILE --coordinator-key \($0.publicKey)" } ?? ""
    printLine("listening on \(relayAddress); start workers with: lockstep worker --connect \(relayAddress)\(keys)")
  }

  /// Runs until the run is over, a signal comes or, on request, standard input ends.
  func run(_ signals: SignalWatch, endsWithInput: Bool) throws {
    signals.onSignal { [mailbox] signal in mailbox.fail("interrupted by \(signal.name)") }
    if endsWithInput {
      Thread.detachNewThread { [mailbox] in
        // Not with FileHandle, which traps when a signal interrupts it, so that a crash elsewhere would be told as this.
        var byte: UInt8 = 0
        var count = 1
        while count > 0 || count < 0 && errno == EINTR { count = read(STDIN_FILENO, &byte, 1) }
        mailbox.fail("the program that started this worker has ended")
      }
    }
    do {
      try run()
    } catch {
      if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
      throw error
    }
    printLine("done: the run is over")
  }
}
