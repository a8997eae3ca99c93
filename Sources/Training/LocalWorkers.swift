internal import Foundation
internal import Kernels
internal import Synchronization

/// Worker processes beside this one, of this same program. One that is killed is started again, a few times. None
/// outlives the object, nor this process: their standard input ends with it.
public final class LocalWorkers: @unchecked Sendable {
  // Sendable: all that changes is guarded by the mutex.
  private struct State {
    var processes: [Process] = []
    var lifelines: [Pipe] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let running = DispatchGroup()
  private let program: URL
  private let arguments: [String]
  private let mailbox: CoordinatorMailbox
  private let mostRestarts: Int
  /// What cores each runs on; nil for any.
  private let cores: [[Int]]?

  /// Starts `count` workers that connect to `address`, and tells `mailbox` of each that ends before ``stop()``.
  ///
  /// - Parameters:
  ///   - mostRestarts: how often a worker that a signal has ended is replaced. One that ends by itself has said why, and
  ///     would do so again.
  ///   - timeline: the ``Timeline`` that they add theirs to.
  public init(
    _ count: Int, threads: Int, connectingTo address: String, mailbox: CoordinatorMailbox, mostRestarts: Int,
    timeline: String? = nil
  ) throws {
    guard let program = Bundle.main.executableURL else {
      throw TrainingError("this program's own file cannot be found, so no workers can be started from it")
    }
    self.program = program
    arguments =
      ["worker", "--connect", address, "--threads", "\(threads)", "--end-with-input"]
      + (timeline.map { ["--append-timeline", $0] } ?? [])
    self.mailbox = mailbox
    self.mostRestarts = mostRestarts
    cores = Cores.shares(of: Cores.allowed, processes: count, threads: threads)
    for index in 0..<count {
      do {
        try start(index, restarts: 0)
      } catch {
        stop()
        throw TrainingError("worker \(index + 1) cannot be started from \(program.path): \(error.localizedDescription)")
      }
    }
  }

  /// Starts the process of place `index`, which has been replaced `restarts` times before.
  private func start(_ index: Int, restarts: Int) throws {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    // What the environment says is for workers that nobody else gives options.
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("LOCKSTEP_") }
    // Held open by this process alone: its end is the worker's.
    let lifeline = Pipe()
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardError = pipe
    let lines = LastLines()
    pipe.fileHandleForReading.readabilityHandler = { handle in
      let data = handle.availableData
      if data.isEmpty { handle.readabilityHandler = nil }
      lines.append(data)
    }
    running.enter()
    process.terminationHandler = { [weak self, running] process in
      defer { running.leave() }
      self?.ended(process, lines, index, restarts: restarts)
    }
    // Under the lock, so that one that is started while all are stopped is stopped as well.
    let error = state.withLock { state -> (any Error)? in
      guard !state.isStopping else { return TrainingError("the run is over") }
      do {
        if let cores {
          try Cores.keep(to: cores[index]) { try process.run() }
        } else {
          try process.run()
        }
        state.processes.append(process)
        state.lifelines.append(lifeline)
        return nil
      } catch {
        return error
      }
    }
    if let error {
      running.leave()
      throw error
    }
  }

  private func ended(_ process: Process, _ lines: LastLines, _ index: Int, restarts: Int) {
    guard !state.withLock({ $0.isStopping }) else { return }
    let isKilled = process.terminationReason == .uncaughtSignal || process.terminationStatus >= 128
    let how =
      process.terminationReason == .exit
      ? "it ended with exit code \(process.terminationStatus)"
      : "it was killed by signal \(process.terminationStatus)"
    lines.waitForEnd()
    var description = lines.last.map { "\(how): \($0)" } ?? how
    let isReplaced = isKilled && restarts < mostRestarts
    if isReplaced { description += "; it is started again (\(restarts + 1) of \(mostRestarts) times)" }
    // The coordinator must expect the new one before that says hello.
    mailbox.processEnded(
      name: Worker.name(processIdentifier: process.processIdentifier), description, isReplaced: isReplaced)
    guard isReplaced else { return }
    do {
      try start(index, restarts: restarts + 1)
    } catch {
      mailbox.fail("a worker that was killed cannot be started again: \(error.localizedDescription)")
    }
  }

  deinit { stop() }

  /// Waits a little for the workers to end by themselves, then ends them.
  public func stop() {
    let processes = state.withLock { state in
      state.isStopping = true
      return state.processes
    }
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
