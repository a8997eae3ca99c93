import Foundation
import Testing

/// Runs that end before their time and go on, to the bits of one that was never disturbed.
@Suite(.serialized) struct ResumeTests {
  private let scratch: Scratch
  /// Long enough to be disturbed, short enough to wait for.
  private static let job = ["--epochs", "60", "--model", "mlp:32"]

  init() throws {
    scratch = try Scratch()
  }

  private func started(_ arguments: [String]) throws -> Program {
    let program = try Program(["train", "--output", scratch.path("run")] + arguments)
    try #require(program.waitForOutput("  step 24  "), "\(program.errors)")
    return program
  }

  private func interrupted(_ arguments: [String], by signal: Int32 = SIGTERM) throws {
    let program = try started(arguments)
    program.send(signal)
    #expect(program.wait() == 128 + signal, "\(program.errors)")
    let lines = program.errors.split(separator: "\n")
    #expect(lines.dropLast().last?.hasPrefix("saved after step ") == true, "\(program.errors)")
    #expect(lines.dropLast().last?.hasSuffix("--resume \(scratch.path("run"))") == true, "\(program.errors)")
    let summary = try Summary(scratch.path("run"))
    #expect(summary.status == "failed" && summary.culprit == (signal == SIGTERM ? "SIGTERM" : "SIGINT"))
  }

  /// Every step once and in order, an evaluation each epoch.
  private func expectWholeMetrics(_ folder: String, steps: Int, _ place: SourceLocation = #_sourceLocation) throws {
    let lines = try scratch.read("\(folder)/metrics.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    #expect(lines.filter { $0.event == "step" }.map(\.step) == Array(1...steps), sourceLocation: place)
    for event in ["evaluation", "epoch"] {
      let ends = Array(stride(from: 12, through: steps, by: 12))
      #expect(lines.filter { $0.event == event }.map(\.step) == ends, "\(event)", sourceLocation: place)
    }
  }

  private struct Line: Decodable {
    let event: String
    let step: Int
  }

  private func expectEqual(_ first: String, _ second: String, _ place: SourceLocation = #_sourceLocation) throws {
    let program = try Program(["diff", scratch.path(first), scratch.path(second)])
    #expect(program.wait() == 0, "\(program.output)\(program.errors)", sourceLocation: place)
    #expect(program.output.hasPrefix("equal: the losses of "), sourceLocation: place)
  }

  @Test(
    "a run that SIGTERM ends goes on with other workers, and over tcp, to the same bits",
    arguments: [
      [], ["--optimizer", "blend", "--blend", "auto", "--lambda-rate", "0.01"],
      ["--schedule", "plateau", "--plateau-threshold", "0.2", "--plateau-patience", "0", "--schedule-factor", "0.7"],
      ["--optimizer", "sgd", "--schedule", "hypergradient", "--learning-rate", "0.01"], ["--dropout", "0.2"],
      ["--outer-every", "7"], ["--ema", "0.95", "--precision", "bf16"],
      ["--optimizer", "schedule-free", "--warmup", "30"],
      ["--optimizer", "adafactor", "--update-clip", "0.5"],
      ["--optimizer", "soap", "--basis-every", "7", "--basis-limit", "100"],
      ["--precision", "bf16"],
      ["--local-steps", "5", "--replicas", "2", "--outer-learning-rate", "0.7", "--precision", "bf16"],
      ["--local-steps", "16", "--replicas", "8", "--schedule", "plateau", "--plateau-patience", "0"],
    ])
  func interruption(_ options: [String]) throws {
    let expected = try train(scratch, Self.job + options, output: "whole")
    try interrupted(Self.job + options)
    try FileManager.default.copyItem(atPath: scratch.path("run"), toPath: scratch.path("tcp"))
    try succeed(["train", "--resume", scratch.path("run"), "--workers", "3", "--threads", "2"])
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
    try expectEqual("whole", "run")
    try expectWholeMetrics("run", steps: 720)
    let coordinator = try Program(["coordinator", "--bind", "tcp://127.0.0.1:0", "--resume", scratch.path("tcp")])
    try #require(coordinator.waitForOutput("listening on "), "\(coordinator.errors)")
    let line = try #require(coordinator.output.split(separator: "\n").first { $0.hasPrefix("listening on ") })
    let address = String(try #require(line.dropFirst("listening on ".count).split(separator: ";").first))
    let workers = try (0..<2).map { _ in try Program(["worker", "--connect", address]) }
    #expect(coordinator.wait() == 0, "\(coordinator.errors)")
    for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
    try expectEqual("whole", "tcp")
    try expectWholeMetrics("tcp", steps: 720)
  }

  @Test func aKilledRunGoesOnFromItsLastCheckpointToTheSameBits() throws {
    _ = try train(scratch, Self.job, output: "whole")
    let program = try started(Self.job + ["--checkpoint-every", "20"])
    let folder = scratch.path("run/checkpoints")
    #expect(eventually(seconds: 20) { CheckpointNames(folder).whole.count >= 2 })
    program.send(SIGKILL)
    #expect(program.wait() == -SIGKILL)
    #expect(try #require(CheckpointNames(folder).whole.last) < "0000000720", "it was killed in the middle")
    // Into another folder first: it takes the metrics along.
    try succeed(["train", "--resume", scratch.path("run"), "--output", scratch.path("other")])
    try expectEqual("whole", "other")
    try expectWholeMetrics("other", steps: 720)
    #expect(CheckpointNames(scratch.path("other/checkpoints")).whole == ["0000000720"])
    try succeed(["train", "--resume", scratch.path("run"), "--workers", "1"])
    try expectEqual("whole", "run")
    try expectWholeMetrics("run", steps: 720)
  }

  @Test func aRunWhoseWorkersAreAllKilledIsSavedAndGoesOnToTheSameBits() throws {
    _ = try train(scratch, Self.job, output: "whole")
    let program = try started(Self.job + ["--max-restarts", "0"])
    for worker in program.children { kill(worker, SIGKILL) }
    #expect(program.wait(seconds: 10) == 1)
    #expect(program.errors.contains("saved after step "), "\(program.errors)")
    #expect(program.errors.contains("none is left"), "\(program.errors)")
    let culprit = try #require(try Summary(scratch.path("run")).culprit)
    #expect(program.errors.contains("error: worker \(culprit) has left, and none is left"), "\(program.errors)")
    try succeed(["train", "--resume", scratch.path("run")])
    try expectEqual("whole", "run")
    try expectWholeMetrics("run", steps: 720)
  }

  @Test func aFurtherSignalEndsARunThatIsSlowToEnd() throws {
    let program = try started(["--epochs", "100000"])
    for worker in program.children { kill(worker, SIGSTOP) }
    let start = Date()
    // The step cannot end; without a further signal the run would wait for it.
    #expect(
      eventually(seconds: 20) {
        program.send(SIGINT)
        return !isRunning(program.processIdentifier)
      })
    #expect(Date().timeIntervalSince(start) < 5)
    #expect(program.wait() == 130)
    #expect(program.errors.hasSuffix("error: interrupted by SIGINT\n"), "\(program.errors)")
  }

  @Test func aFinishedRunIsResumedToTheSameBitsAtOnceAndMayBeMadeLonger() throws {
    let short = try train(scratch, ["--epochs", "2", "--model", "linear"], output: "run")
    try succeed(["train", "--resume", scratch.path("run")])
    #expect(try Summary(scratch.path("run")).parameters_sha256 == short.parameters_sha256)
    try expectWholeMetrics("run", steps: 24)
    _ = try train(scratch, ["--epochs", "4", "--model", "linear"], output: "whole")
    try succeed(["train", "--resume", scratch.path("run"), "--epochs", "4"])
    try expectEqual("whole", "run")
    try expectWholeMetrics("run", steps: 48)
    #expect(try scratch.read("run/job.yaml") == scratch.read("whole/job.yaml"))
    try fail(["--epochs", "3"], "has done 48 steps already, and would end after 36", 64)
  }

  @Test func aRunGoesOnWithinARoundAndMayBeMadeLongerUnlessItsEndCutOneShort() throws {
    let job = ["--model", "linear", "--outer-every", "8"]
    _ = try train(scratch, job + ["--steps", "24"], output: "run")
    _ = try train(scratch, job + ["--steps", "30"], output: "whole")
    try succeed(["train", "--resume", scratch.path("run"), "--steps", "30"])
    try expectEqual("whole", "run")
    // Step 21 is within the third round.
    _ = try train(scratch, job + ["--steps", "60", "--checkpoint-every", "21"], output: "straight")
    let cut = scratch.path("cut")
    try FileManager.default.copyItem(atPath: scratch.path("straight"), toPath: cut)
    let checkpoints = CheckpointNames("\(cut)/checkpoints").whole
    try #require(checkpoints.first == "0000000021" && checkpoints.last == "0000000060")
    for later in checkpoints.dropFirst() {
      try FileManager.default.removeItem(atPath: "\(cut)/checkpoints/\(later)")
    }
    try succeed(["train", "--resume", cut, "--workers", "3"])
    try expectEqual("straight", "cut")
    try fail(
      ["--steps", "40"], "--outer-every 8 of the run in \(scratch.path("run")) makes the run's last round end", 64)
  }

  @Test func whatTheBitsDependOnCannotBeChanged() throws {
    let csv = try scratch.file("d.csv", "a,y\n" + (0..<50).map { "\($0),\($0 % 2)" }.joined(separator: "\n"))
    _ = try train(scratch, ["--data", csv, "--steps", "3", "--model", "linear", "--schedule", "cosine"], output: "run")
    for (name, value) in [
      ("batch-size", "7"), ("model", "mlp:4"), ("optimizer", "sgd"), ("data", "digits"), ("seed", "9"),
      ("micro-batches", "3"), ("learning-rate", "0.5"), ("dropout", "0.3"), ("scale", "none"),
      ("label-smoothing", "0.5"), ("class-weights", "1,2"), ("ignored-class", "1"), ("precision", "bf16"),
    ] {
      let shown = ["data": value, "model": "mlp"][name] ?? value
      try fail(["--\(name)", value], "--\(name) \(shown): the run in \(scratch.path("run")) was started with", 64)
    }
    try fail(["--steps", "9"], "--schedule of the run in \(scratch.path("run")) follows its length, 3 steps", 64)
    _ = try scratch.file("d.csv", "a,y\n" + (0..<50).map { "\($0),\(($0 + 1) % 2)" }.joined(separator: "\n"))
    try fail([], "d.csv is not the data that the run in \(scratch.path("run")) was trained on", 1)
  }

  @Test func badOptionsAreNamed() throws {
    try fail(["--silence-limit", "0.5"], "--silence-limit 0.5: it must be from 1 to", 64)
    try fail(["--keep", "0"], "--keep 0: a whole number from 1", 64)
    for value in ["0", "-5", "ten", "0m", "5d", "inf", ""] {
      try fail(["--checkpoint-every", value], "checkpoint-every", 64)
    }
    let empty = scratch.path("empty")
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    let program = try Program(["train", "--resume", empty])
    #expect(program.wait() == 1)
    #expect(program.errors == "error: \(empty)/checkpoints has no good checkpoint to resume from\n")
  }

  @Test func aNewRunInAnOldRunsFolderTakesTheOldCheckpointsAway() throws {
    _ = try train(scratch, ["--steps", "30", "--model", "linear", "--checkpoint-every", "10"], output: "run")
    let second = try train(scratch, ["--steps", "5", "--model", "linear", "--seed", "3", "--overwrite"], output: "run")
    #expect(CheckpointNames(scratch.path("run/checkpoints")).whole == ["0000000005"])
    try succeed(["train", "--resume", scratch.path("run")])
    #expect(try Summary(scratch.path("run")).parameters_sha256 == second.parameters_sha256)
  }

  private func fail(_ arguments: [String], _ message: String, _ code: Int32, _ place: SourceLocation = #_sourceLocation)
    throws
  {
    let program = try Program(["train", "--resume", scratch.path("run")] + arguments)
    #expect(program.wait(seconds: 10) == code, "\(arguments): \(program.errors)", sourceLocation: place)
    #expect(program.errors.split(separator: "\n").last?.hasPrefix("error: ") == true, sourceLocation: place)
    #expect(program.errors.contains(message), "\(arguments): \(program.errors)", sourceLocation: place)
  }
}

/// What lies in a folder of checkpoints.
struct CheckpointNames {
  /// Those that were written to the end, in order.
  let whole: [String]

  init(_ folder: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    whole = names.filter { !$0.hasPrefix(".") }.sorted()
  }
}
