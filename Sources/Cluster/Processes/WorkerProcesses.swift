internal import Foundation
internal import Kernels
internal import Protocol
internal import Synchronization

/// Worker processes that this one has started. One that is killed is started again, a few times. None outlives the
/// object, nor this process: their standard input ends with it.
package final class WorkerProcesses: @unchecked Sendable {
  // Sendable: all that changes is guarded by the mutex.
  private struct State {
    var processes: [Process] = []
    var inputPipes: [Pipe] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let running = DispatchGroup()
  private let mailbox: CoordinatorMailbox
  private let maxRestarts: Int

  /// Starts a worker for each of `launches`, and tells `mailbox` of each that ends before ``stop()``.
  ///
  /// - Parameter maxRestarts: how often a worker that a signal has ended is replaced. One that ends by itself has said
  ///   why, and would do so again.
  package init(_ launches: [WorkerLaunch], mailbox: CoordinatorMailbox, maxRestarts: Int) throws {
    self.mailbox = mailbox
    self.maxRestarts = maxRestarts
    for (index, launch) in launches.enumerated() {
      do {
        try start(launch, restarts: 0)
      } catch {
        stop()
        throw TrainingError(
          "worker \(index + 1) cannot be started by \(launch.program.path): \(error.localizedDescription)")
      }
    }
  }

  /// Starts the worker of `launch`, which has been replaced `restarts` times before.
  private func start(_ launch: WorkerLaunch, restarts: Int) throws {
    let process = Process()
    process.executableURL = launch.program
    process.arguments = launch.arguments(restarts)
    // What the environment says is for workers that nobody else gives options.
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("LOCKSTEP_") }
    // Held open by this process alone: its end is the worker's.
    let inputPipe = Pipe()
    process.standardInput = inputPipe
    let errors = OutputLines(launch.show)
    process.standardError = errors.pipe
    let output = launch.show.map(OutputLines.init)
    process.standardOutput = output?.pipe ?? FileHandle.nullDevice
    running.enter()
    process.terminationHandler = { [weak self, running] process in
      defer { running.leave() }
      output?.waitForEnd()
      errors.waitForEnd()
      self?.handleEnd(process, launch, errors, hasBegun: output?.last != nil, restarts: restarts)
    }
    // Under the lock, so that one that is started while all are stopped is stopped as well.
    let error = state.withLock { state -> (any Error)? in
      guard !state.isStopping else { return TrainingError("the run is over") }
      do {
        if let cores = launch.cores {
          try Cores.keep(to: cores) { try process.run() }
        } else {
          try process.run()
        }
        state.processes.append(process)
        state.inputPipes.append(inputPipe)
        return nil
      } catch {
        return error
      }
    }
    if let error {
      running.leave()
      throw error
    }
    // One that has ended already says why by its end.
    try? inputPipe.fileHandleForWriting.write(contentsOf: Data(launch.input.utf8))
  }

  private func handleEnd(
    _ process: Process, _ launch: WorkerLaunch, _ errors: OutputLines, hasBegun: Bool, restarts: Int
  ) {
    guard !state.withLock({ $0.isStopping }) else { return }
    let end = ProcessEnd(process)
    var description = errors.last.map { "\(end): \($0)" } ?? "\(end)"
    if let hint = launch.hint(end) { description += "; \(hint)" }
    let isReplaced = end.isKill(hasBegun: hasBegun) && restarts < maxRestarts
    if isReplaced { description += "; it is started again (\(restarts + 1) of \(maxRestarts) times)" }
    // The coordinator must expect the new one before that says hello.
    mailbox.processEnded(
      name: launch.name(restarts, process.processIdentifier), description, isReplaced: isReplaced)
    guard isReplaced else { return }
    do {
      try start(launch, restarts: restarts + 1)
    } catch {
      mailbox.fail("a worker that was killed cannot be started again: \(error.localizedDescription)")
    }
  }

  deinit { stop() }

  /// Waits a little for the workers to end by themselves, then ends them: by their standard input first, which reaches
  /// those on other machines as well.
  package func stop() {
    let (processes, inputPipes) = state.withLock { state in
      state.isStopping = true
      defer { state.inputPipes = [] }
      return (state.processes, state.inputPipes)
    }
    if running.wait(timeout: .now() + 1) == .success { return }
    for inputPipe in inputPipes { try? inputPipe.fileHandleForWriting.close() }
    if running.wait(timeout: .now() + 1) == .success { return }
    for (signal, seconds) in [(SIGTERM, 2), (SIGKILL, 5)] as [(Int32, Double)] {
      // Each leads a group, of itself or with what it has started; where it does not, it is alone.
      for process in processes where process.isRunning {
        if kill(-process.processIdentifier, signal) != 0 { kill(process.processIdentifier, signal) }
      }
      if running.wait(timeout: .now() + seconds) == .success { return }
    }
  }
}

/// How a process ended.
struct ProcessEnd: CustomStringConvertible {
  /// By itself, or through a shell or a supervisor that says so by 128 + a signal; else a signal's number.
  let exitCode: Int32?
  private let signal: Int32

  init(exitCode: Int32) { (self.exitCode, signal) = (exitCode, 0) }

  fileprivate init(_ process: Process) {
    let isExit = process.terminationReason == .exit
    (exitCode, signal) = isExit ? (process.terminationStatus, 0) : (nil, process.terminationStatus)
  }

  /// Whether it did not end of its own will. ssh has 255 for all that goes wrong: where the worker had begun, the
  /// connection is gone.
  func isKill(hasBegun: Bool) -> Bool {
    guard let exitCode else { return true }
    return exitCode == 255 ? hasBegun : exitCode >= 128
  }

  var description: String {
    exitCode.map { "it ended with exit code \($0)" } ?? "it was killed by signal \(signal)"
  }
}

/// What a process writes into a pipe, line by line.
private final class OutputLines: Sendable {
  private struct State {
    var rest = Data()
    var recent: [String] = []
  }

  let pipe = Pipe()
  private let state = Mutex(State())
  private let ended = DispatchSemaphore(value: 0)
  private let show: (@Sendable (String) -> Void)?

  /// - Parameter show: called with each line, on another thread.
  init(_ show: (@Sendable (String) -> Void)?) {
    self.show = show
    // A thread, because a handle that calls back must not be let go of at its end, which libdispatch may crash on.
    Thread.detachNewThread { [self] in
      var data: Data
      repeat {
        data = pipe.fileHandleForReading.availableData
        append(data)
      } while !data.isEmpty
    }
  }

  /// Takes in what was read; nothing means the end.
  private func append(_ data: Data) {
    let lines = state.withLock { state in
      state.rest += data.isEmpty && !state.rest.isEmpty ? Data("\n".utf8) : data
      var pieces = state.rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      // A line without an end must not fill the memory.
      state.rest = Data(pieces.removeLast().suffix(4096))
      // ssh ends its own as terminals want them.
      let lines = pieces.map { String(decoding: $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0, as: UTF8.self) }
      state.recent = (state.recent + lines).suffix(100)
      return lines
    }
    if let show { for line in lines { show(line) } }
    if data.isEmpty { ended.signal() }
  }

  /// The process may have ended before its last words are read; a second is plenty for them.
  func waitForEnd() {
    _ = ended.wait(timeout: .now() + 1)
  }

  /// The last line that says what was wrong, else the last.
  var last: String? {
    let lines = state.withLock { $0.recent.filter { !$0.isEmpty } }
    let cause = lines.last { $0.hasPrefix("error: ") || $0.contains("Fatal error") }
    return (cause ?? lines.last).map { line in
      line.hasPrefix("error: ") ? String(line.dropFirst("error: ".count)) : line
    }
  }
}
