import Foundation
import Testing

/// Coordinators that are killed and started again while their workers go on.
@Suite(.serialized) struct RecoveryTests {
  private let scratch: Scratch
  private let job = ["--epochs", "400", "--model", "mlp:64"]

  init() throws {
    scratch = try Scratch()
  }

  @Test("workers find a coordinator that is killed and resumed, and the end is the same bits")
  func aKilledCoordinatorDoesNotMatter() throws {
    let expected = try train(scratch, job, output: "undisturbed")
    let first = try Coordinating(scratch, job + ["--checkpoint-every", "5"])
    let workers = try (0..<2).map { _ in try Program(["worker", "--connect", first.address]) }
    // One that is whole has a name that does not start with a point.
    try #require(
      eventually(seconds: 60) {
        let names = try? FileManager.default.contentsOfDirectory(atPath: scratch.path("run/checkpoints"))
        return names?.contains { !$0.hasPrefix(".") } == true
      })
    first.program.send(SIGKILL)
    #expect(first.program.wait() == -SIGKILL)
    let second = try Program([
      "coordinator", "--resume", scratch.path("run"), "--bind", first.address, "--checkpoint-every", "50",
    ])
    #expect(second.wait() == 0, "\(second.errors)")
    for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
    let diff = try succeed(["diff", scratch.path("undisturbed"), scratch.path("run")])
    #expect(diff.output.contains("equal"))
  }

  @Test func aRunWithoutAWorkerSaysThatItWaitsAndEnds() throws {
    let coordinator = try Coordinating(scratch, ["--worker-timeout", "2", "--silence-limit", "1"])
    #expect(coordinator.program.wait(seconds: 10) == 1)
    let (output, errors) = (coordinator.program.output, coordinator.program.errors)
    #expect(output.contains("\nwaiting for a worker: 1 of 2 s (--worker-timeout)\n"), "\(output)")
    #expect(errors.contains("\nerror: no worker for 2 s: start some with `lockstep worker --connect"), "\(errors)")
    #expect(errors.hasPrefix("warning: every user of this machine can take part at tcp://127.0.0.1:"), "\(errors)")
    #expect(try Summary(scratch.path("run")).culprit == nil)
  }

  @Test("a worker that hangs is given up after the silence limit, and comes back when it goes on")
  func aHangingWorkerComesBack() throws {
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--silence-limit", "1", "--worker-timeout", "60"])
    let worker = try Program(["worker", "--connect", coordinator.address])
    try #require(coordinator.program.waitForOutput("  step 24  "))
    worker.send(SIGSTOP)
    #expect(coordinator.program.waitForErrors("it was silent for 1 s; no worker is left"))
    #expect(coordinator.program.waitForOutput("waiting for a worker: 1 of 60 s"))
    worker.send(SIGCONT)
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    #expect(worker.wait() == 0, "\(worker.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test("a worker whose link brings its last parameters after the run's end still learns of that")
  func aLateWorkerLearnsOfTheEnd() throws {
    let run = try startScript("Tests/EndToEndTests/late_worker.py")
    #expect(run.wait(seconds: 240) == 0, "\(run.output)\(run.errors)")
  }

  @Test func aWorkerThatFindsNoCoordinatorAgainSaysSo() throws {
    let coordinator = try Coordinating(scratch, ["--epochs", "1000000"])
    let worker = try Program(["worker", "--connect", coordinator.address, "--reconnect-timeout", "1"])
    try #require(coordinator.program.waitForOutput("  step 12  "))
    coordinator.program.send(SIGKILL)
    #expect(worker.wait(seconds: 20) == 1)
    #expect(worker.errors.contains("has been gone for 1 s (--reconnect-timeout)"), "\(worker.errors)")
  }
}
