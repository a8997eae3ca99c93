internal import Foundation
internal import Kernels
internal import Protocol
internal import Synchronization

/// The worker processes that this one starts. A killed worker is restarted a few times. All end when this object or
/// this process does, because their standard input ends.
package final class WorkerProcesses: @unchecked Sendable {
  // Sendable: the mutex guards all mutable state.
  private struct State {
    var processes: [Process] = []
    var inputPipes: [Pipe] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let running = DispatchGroup()
  private let mailbox: CoordinatorMailbox
  private let maxRestarts: Int

  /// Starts a worker for each of `launches`. Notifies `mailbox` of each that ends before ``stop()``.
  ///
  /// - Parameter maxRestarts: how often a worker that a signal has ended is restarted. One that exits by itself has a
  ///   reason, and would exit again.
  package init(_ launches: [WorkerLaunch], mailbox: CoordinatorMailbox, maxRestarts: Int) throws {
    (self.mailbox, self.maxRestarts) = (mailbox, maxRestarts)
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

  /// `restarts` counts the earlier starts.
  private func start(_ launch: WorkerLaunch, restarts: Int) throws {
    let process = Process()
    process.executableURL = launch.program
    process.arguments = launch.arguments(restarts)
    // Options in the environment are meant for workers that a user starts. The vectors' width is no option.
    process.environment = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("LOCKSTEP_") || $0.key == VectorWidth.variable
    }
    // Only this process holds the writing end, so the worker's input ends with this process.
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
      self?.closeInputs { $0 === inputPipe }
      self?.handleEnd(process, launch, errors, hasBegun: output?.last != nil, restarts: restarts)
    }
    // Under the lock, so that ``stop()`` misses no process.
    let error = state.withLock { state -> (any Error)? in
      guard !state.isStopping else { return TrainingError("the run is over") }
      do {
        // Fits into the pipe. Not later, because the end of the process closes it.
        try inputPipe.fileHandleForWriting.write(contentsOf: Data(launch.input.utf8))
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
  }

  /// Closes standard inputs. Not left to their last references, because Foundation keeps a process that has ended.
  private func closeInputs(_ isMeant: (Pipe) -> Bool) {
    state.withLock { state in
      for pipe in state.inputPipes where isMeant(pipe) { try? pipe.fileHandleForWriting.close() }
      state.inputPipes.removeAll(where: isMeant)
    }
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
    // The coordinator must expect the new process before it gets its HELLO.
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

  /// Waits a second for the workers to exit, then ends them: first by their standard input, which also reaches other
  /// machines, then by signals.
  package func stop() {
    let processes = state.withLock { state in
      state.isStopping = true
      return state.processes
    }
    if running.wait(timeout: .now() + 1) == .success { return }
    closeInputs { _ in true }
    if running.wait(timeout: .now() + 1) == .success { return }
    for (signal, seconds) in [(SIGTERM, 2), (SIGKILL, 5)] as [(Int32, Double)] {
      // To the process' group if it has one, so that its children end too.
      for process in processes where process.isRunning {
        if kill(-process.processIdentifier, signal) != 0 { kill(process.processIdentifier, signal) }
      }
      if running.wait(timeout: .now() + seconds) == .success { return }
    }
  }
}

struct ProcessEnd: CustomStringConvertible {
  /// Nil if a signal ended the process. Shells and supervisors report signals as 128 + the signal.
  let exitCode: Int32?
  private let signal: Int32

  init(exitCode: Int32) { (self.exitCode, signal) = (exitCode, 0) }

  fileprivate init(_ process: Process) {
    let isExit = process.terminationReason == .exit
    (exitCode, signal) = isExit ? (process.terminationStatus, 0) : (nil, process.terminationStatus)
  }

  /// Whether it was killed. ssh exits with 255 for every error; if the worker had begun, the connection broke.
  func isKill(hasBegun: Bool) -> Bool {
    guard let exitCode else { return true }
    return exitCode == 255 ? hasBegun : exitCode >= 128
  }

  var description: String {
    exitCode.map { "it ended with exit code \($0)" } ?? "it was killed by signal \(signal)"
  }
}

/// The lines that a process writes to a pipe.
private final class OutputLines: Sendable {
  private struct State {
    var rest = Data()
    var recent: [String] = []
  }

  let pipe = Pipe()
  private let state = Mutex(State())
  private let ended = DispatchSemaphore(value: 0)
  private let show: (@Sendable (String) -> Void)?

  /// - Parameter show: gets each line, on another thread.
  init(_ show: (@Sendable (String) -> Void)?) {
    self.show = show
    // A thread, because releasing a FileHandle with a readability handler at its end can crash libdispatch.
    Thread.detachNewThread { [self] in
      var data: Data
      repeat {
        data = pipe.fileHandleForReading.availableData
        append(data)
      } while !data.isEmpty
      try? pipe.fileHandleForReading.close()
    }
  }

  /// Adds what was read; empty data is the end.
  private func append(_ data: Data) {
    let lines = state.withLock { state in
      state.rest += data.isEmpty && !state.rest.isEmpty ? Data("\n".utf8) : data
      var pieces = state.rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      // Bounded, because a line may have no end.
      state.rest = Data(pieces.removeLast().suffix(4096))
      // ssh ends its own lines with a carriage return too.
      let lines = pieces.map { String(decoding: $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0, as: UTF8.self) }
      state.recent = (state.recent + lines).suffix(100)
      return lines
    }
    if let show { for line in lines { show(line) } }
    if data.isEmpty { ended.signal() }
  }

  /// The process may end before its last lines are read; waits a second at most.
  func waitForEnd() {
    _ = ended.wait(timeout: .now() + 1)
  }

  /// The last error line, or else the last line.
  var last: String? {
    let lines = state.withLock { $0.recent.filter { !$0.isEmpty } }
    let cause = lines.last { $0.hasPrefix("error: ") || $0.contains("Fatal error") }
    return (cause ?? lines.last).map { line in
      line.hasPrefix("error: ") ? String(line.dropFirst("error: ".count)) : line
    }
  }
}
