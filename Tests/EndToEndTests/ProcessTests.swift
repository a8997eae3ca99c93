import Foundation
import Testing

/// Processes that come and go.
@Suite(.serialized) struct ProcessTests {
  private let scratch: Scratch
  /// Long enough to be disturbed, short enough to wait for.
  private let job = ["--epochs", "150", "--model", "mlp:64"]

  init() throws {
    scratch = try Scratch()
  }

  /// A run that has done its first epoch.
  private func started(_ arguments: [String], environment: [String: String] = [:]) throws -> Program {
    let program = try Program(["train", "--output", scratch.path("run")] + arguments, environment: environment)
    try #require(program.waitForOutput("  step 12  "), "\(program.errors)")
    return program
  }

  @Test func byHandOverTCPGivesTheSameBitsAsTrain() throws {
    let expected = try train(scratch, ["--epochs", "2"])
    let coordinator = try Coordinating(scratch, ["--epochs", "2"])
    #expect(!coordinator.address.hasSuffix(":0"), "the real port is printed")
    let workers = try (0..<3).map { _ in try Program(["worker", "--connect", coordinator.address, "--threads", "2"]) }
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    // On a busy machine the run may be over before the last worker has come.
    let endsWell = workers.map { worker in worker.wait() == 0 || worker.errors.contains("no coordinator answers") }
    #expect(endsWell == [true, true, true], "\(workers.map(\.errors))")
    let summary = try Summary(scratch.path("run"))
    #expect(summary.parameters_sha256 == expected.parameters_sha256)
    #expect(summary.threads == 2)
  }

  /// In a few milliseconds the run may be over before all workers have loaded. Each round found a crash in a fifth of
  /// the cases when processes ended by exit().
  @Test func workersThatTheEndOfTheRunFindsLoadingEndWell() throws {
    for round in 0..<12 {
      let coordinator = try Coordinating(scratch, ["--epochs", "2", "--overwrite"])
      let workers = try (0..<3).map { _ in
        try Program(["worker", "--connect", coordinator.address, "--threads", "2", "--connect-timeout", "1"])
      }
      #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
      // 1 where the coordinator was gone before the worker came; a signal is negative.
      for worker in workers { #expect([0, 1].contains(worker.wait()), "round \(round): \(worker.errors)") }
    }
  }

  @Test func workersMayStartFirst() throws {
    let address = "ipc://\(scratch.path("socket"))"
    let worker = try Program(["worker", "--connect", address])
    #expect(worker.waitForOutput("connecting to"))
    let coordinator = try Coordinating(scratch, ["--epochs", "1"], bind: address)
    #expect(coordinator.program.wait() == 0)
    #expect(worker.wait() == 0, "\(worker.errors)")
  }

  @Test func aCoordinatorLeavesNoSocketFile() throws {
    let coordinator = try Coordinating(scratch, ["--epochs", "1"], bind: "ipc://\(scratch.path("socket"))")
    #expect(FileManager.default.fileExists(atPath: scratch.path("socket")))
    coordinator.program.send(SIGTERM)
    #expect(coordinator.program.wait() == 128 + SIGTERM)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("socket")))
  }

  @Test("a worker that is killed does not change a bit, and is named", arguments: [SIGKILL, SIGTERM])
  func aKilledWorkerDoesNotMatter(_ signal: Int32) throws {
    let expected = try train(scratch, job)
    let program = try started(job + ["--workers", "3"])
    let victim = try #require(program.children.first)
    kill(victim, signal)
    #expect(program.wait() == 0, "\(program.errors)")
    #expect(program.errors.contains("/\(victim)) has left"), "\(program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  /// Swift's runtime answers SIGSEGV by interrupting all threads, and goes on if no instruction has failed. A thread that
  /// traps on that would hide where a worker really crashed.
  @Test func aWorkerBearsThatItsThreadsAreInterrupted() throws {
    let expected = try train(scratch, job)
    let program = try started(job, environment: ["SWIFT_BACKTRACE": "enable=yes"])
    for worker in program.children { kill(worker, SIGSEGV) }
    #expect(program.wait() == 0, "\(program.errors)")
    #expect(!program.errors.contains("has left"), "\(program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test func aStoppedWorkerDoesNotMatter() throws {
    let expected = try train(scratch, job)
    let program = try started(job + ["--workers", "2"])
    let victim = try #require(program.children.first)
    kill(victim, SIGSTOP)
    #expect(program.wait() == 0, "\(program.errors)")
    #expect(!isRunning(victim), "it is ended with the run")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test func aStoppedWorkerIsNamedAfterTheSilenceLimit() throws {
    let program = try started(["--epochs", "1000000", "--workers", "2"])
    let victim = try #require(program.children.first)
    kill(victim, SIGSTOP)
    #expect(program.waitForErrors("/\(victim)) has left: it was silent"), "\(program.errors)")
    program.send(SIGINT)
    #expect(program.wait() == 130)
    #expect(!isRunning(victim), "it is ended with the run")
  }

  @Test func theOnlyWorkerMayBeStoppedForLongerThanTheSilenceLimit() throws {
    let expected = try train(scratch, job)
    let program = try started(job + ["--workers", "1"])
    let worker = try #require(program.children.first)
    kill(worker, SIGSTOP)
    #expect(program.waitForErrors("/\(worker)) has left: it was silent"), "\(program.errors)")
    kill(worker, SIGCONT)
    #expect(program.wait() == 0, "\(program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test func workersThatAreKilledAreStartedAgain() throws {
    let expected = try train(scratch, job)
    let program = try started(job + ["--workers", "2"])
    for worker in program.children { kill(worker, SIGKILL) }
    #expect(program.wait() == 0, "\(program.errors)")
    #expect(program.errors.contains("killed by signal 9; it is started again (1 of 3 times)"), "\(program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test func whenAllWorkersAreKilledTheRunFailsAtOnce() throws {
    let program = try started(job + ["--max-restarts", "0"])
    for worker in program.children { kill(worker, SIGKILL) }
    #expect(program.wait(seconds: 10) == 1)
    #expect(program.errors.contains("none is left: it was killed by signal 9"), "\(program.errors)")
    let summary = try Summary(scratch.path("run"))
    #expect(summary.status == "failed" && summary.error?.contains("none is left") == true)
  }

  @Test(
    "however train is ended, no worker outlives it by 10 seconds",
    arguments: [SIGKILL, SIGTERM, SIGINT])
  func noWorkerIsLeftBehind(_ signal: Int32) throws {
    let program = try started(["--epochs", "100000"])
    let workers = program.children
    #expect(workers.count == 2)
    program.send(signal)
    #expect(eventually(seconds: 10) { !isRunning(program.processIdentifier) && !workers.contains(where: isRunning) })
    let code = program.wait()
    if signal == SIGTERM || signal == SIGINT {
      #expect(code == 128 + signal, "\(program.errors)")
      #expect(
        program.errors.hasSuffix("error: interrupted by \(signal == SIGINT ? "SIGINT" : "SIGTERM")\n"),
        "\(program.errors)")
      #expect(try Summary(scratch.path("run")).status == "failed")
    } else {
      #expect(code == -signal)
    }
  }

  @Test func theSameSignalTwiceAtOnceEndsARunInOrder() throws {
    // As a supervisor sends it: to the process, and to its group.
    let program = try started(["--epochs", "100000"])
    program.send(SIGTERM)
    program.send(SIGTERM)
    usleep(1000)
    program.send(SIGTERM)
    #expect(program.wait() == 128 + SIGTERM)
    #expect(program.errors.hasSuffix("error: interrupted by SIGTERM\n"), "\(program.errors)")
    #expect(try Summary(scratch.path("run")).status == "failed")
  }

  @Test func aCoordinatorThatIsKilledEndsItsWorkersWithAnError() throws {
    let coordinator = try Coordinating(scratch, ["--epochs", "100000"])
    let worker = try Program(["worker", "--connect", coordinator.address, "--reconnect-timeout", "0"])
    #expect(coordinator.program.waitForOutput("  step 12  "))
    coordinator.program.send(SIGKILL)
    #expect(worker.wait(seconds: 10) == 1)
    #expect(worker.errors.contains("has been silent for 5 s"), "\(worker.errors)")
  }
}
