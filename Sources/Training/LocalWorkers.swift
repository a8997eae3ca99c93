internal import Foundation
internal import Synchronization

/// Worker processes beside this one, of this same program. None outlives the object; where this process is killed, they
/// end by themselves when the coordinator has been silent for too long.
public final class LocalWorkers: @unchecked Sendable {
  // Sendable: `processes` does not change after `start`, and the rest is guarded by the mutexes.
  private var processes: [Process] = []
  private let lastLines: [LastLines]
  private let isStopping = Mutex(false)
  private let running = DispatchGroup()

  /// Starts `count` workers that connect to `address`, and tells `mailbox` of each that ends before ``stop()``.
  public init(
    _ count: Int, threads: Int, connectingTo address: String, mailbox: CoordinatorMailbox
  ) throws {
    guard let program = Bundle.main.executableURL else {
      throw TrainingError("this program's own file cannot be found, so no workers can be started from it")
    }
    lastLines = (0..<count).map { _ in LastLines() }
    for index in 0..<count {
      let process = Process()
      process.executableURL = program
      process.arguments = [
        "worker", "--connect", address, "--threads", "\(threads)", "--reconnect-timeout", "0",
      ]
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      let pipe = Pipe()
      process.standardError = pipe
      pipe.fileHandleForReading.readabilityHandler = { [lines = lastLines[index]] handle in
        let data = handle.availableData
        if data.isEmpty { handle.readabilityHandler = nil }
        lines.append(data)
      }
      running.enter()
      process.terminationHandler = { [weak self, running, lines = lastLines[index]] process in
        defer { running.leave() }
        guard let self, !self.isStopping.withLock({ $0 }) else { return }
        let how =
          process.terminationReason == .exit
          ? "it ended with exit code \(process.terminationStatus)"
          : "it was killed by signal \(process.terminationStatus)"
        let name = Worker.name(processIdentifier: process.processIdentifier)
        lines.waitForEnd()
        mailbox.processEnded(name: name, lines.last.map { "\(how): \($0)" } ?? how)
      }
      do {
        try process.run()
      } catch {
        running.leave()
        stop()
        throw TrainingError("worker \(index + 1) cannot be started from \(program.path): \(error.localizedDescription)")
      }
      processes.append(process)
    }
  }

  deinit { stop() }

  /// Waits a little for the workers to end by themselves, then ends them.
  public func stop() {
    isStopping.withLock { $0 = true }
    for (signal, seconds) in [(nil, 0.5), (SIGTERM, 2), (SIGKILL, 5)] as [(Int32?, Double)] {
      if let signal {
        for process in processes where process.isRunning { kill(process.processIdentifier, signal) }
      }
      if running.wait(timeout: .now() + seconds) == .success { return }
    }
  }
}

/// The last line that a process wrote.
private final class LastLines: Sendable {
  private let text = Mutex("")
  private let ended = DispatchSemaphore(value: 0)

  /// Takes in what was read; nothing means the end.
  func append(_ data: Data) {
    if data.isEmpty { ended.signal() }
    text.withLock { $0 = String(($0 + String(decoding: data, as: UTF8.self)).suffix(4096)) }
  }

  /// The process may have ended before its last words are read; a second is plenty for them.
  func waitForEnd() {
    _ = ended.wait(timeout: .now() + 1)
  }

  /// The last line that says what was wrong, else the last.
  var last: String? {
    text.withLock { text in
      let lines = text.split(separator: "\n")
      let cause = lines.last { $0.hasPrefix("error: ") || $0.contains("Fatal error") }
      return (cause ?? lines.last).map { line in
        line.hasPrefix("error: ") ? String(line.dropFirst("error: ".count)) : String(line)
      }
    }
  }
}
