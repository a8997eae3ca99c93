import Foundation
import Testing

/// A folder that holds a run is left alone, unless the user says otherwise.
@Suite(.serialized) struct OutputTests {
  private let scratch: Scratch
  private let job = ["--model", "linear", "--steps", "6"]

  init() throws { scratch = try Scratch() }

  private func train(_ arguments: [String]) throws -> (code: Int32?, errors: String) {
    let program = try Program(["train", "--output", "run"] + arguments, in: scratch.url)
    return (program.wait(), program.errors)
  }

  /// The run's files with their contents.
  private func contents() throws -> [String: Data] {
    let root = scratch.path("run")
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return Dictionary(
      uniqueKeysWithValues: names.compactMap { name in
        FileManager.default.contents(atPath: "\(root)/\(name)").map { (name, $0) }
      })
  }

  @Test(
    "a command that fails before its run begins leaves no folder",
    arguments: [["coordinator", "--bind", "ipc:///nowhere/socket"], ["train", "--timeline", "/nowhere/timeline"]])
  func aRefusedCommandLeavesNoRun(_ command: [String]) throws {
    let program = try Program(command + ["--output", "run"] + job, in: scratch.url)
    #expect([1, 64].contains(program.wait()), "\(program.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("run")))
  }

  @Test func repeatingACommandLeavesTheFirstRunAsItIs() throws {
    #expect(try train(job).code == 0)
    let before = try contents()
    let (code, errors) = try train(job)
    #expect(code == 64)
    #expect(
      errors
        == "error: --output run: there is a run already, which completed after 6 steps; go on with it by --resume run, "
        + "replace it by --overwrite, or choose another folder\n")
    #expect(try contents() == before)
    // Nor does another run that is resumed replace it.
    let other = try Program(["train", "--output", "other"] + job, in: scratch.url)
    #expect(other.wait() == 0)
    let resumed = try Program(["train", "--resume", "other", "--output", "run", "--steps", "9"], in: scratch.url)
    #expect(resumed.wait() == 64 && resumed.errors.contains("there is a run already"), "\(resumed.errors)")
    #expect(try contents() == before)
    #expect(try train(job + ["--seed", "1", "--overwrite"]).code == 0)
    #expect(try contents() != before)
  }

  @Test func aFailedAndAKilledRunAreNamedAsThat() throws {
    #expect(try train(["--learning-rate", "1e38", "--optimizer", "sgd"] + job).code == 1)
    let failed = try train(job).errors
    #expect(failed.contains("which failed after"), "\(failed)")
    try FileManager.default.removeItem(atPath: scratch.path("run/summary.json"))
    try? FileManager.default.removeItem(atPath: scratch.path("run/checkpoints"))
    let killed = try train(job).errors
    #expect(killed.contains("which was killed before it was saved; replace it by --overwrite"), "\(killed)")
    #expect(!killed.contains("--resume"))
    try FileManager.default.createDirectory(
      atPath: scratch.path("run/checkpoints/0000000004"), withIntermediateDirectories: true)
    #expect(try train(job).errors.contains("is saved up to step 4; go on with it by --resume run"))
  }

  @Test func overwritingGoesWithAFolderOfItsOwn() throws {
    #expect(try train(job).code == 0)
    let program = try Program(["train", "--resume", "run", "--overwrite"], in: scratch.url)
    #expect(program.wait() == 64 && program.errors.contains("--overwrite does not go with --resume"))
    // A folder without a run is taken as it is.
    _ = try scratch.file("notes.txt", "mine")
    let here = try Program(["train", "--output", "."] + job, in: scratch.url)
    #expect(here.wait() == 0, "\(here.errors)")
    #expect(try scratch.read("notes.txt") == "mine")
  }

  @Test("a history that cannot be read is not replaced by an empty one")
  func history() throws {
    #expect(try train(job).code == 0)
    try FileManager.default.removeItem(atPath: scratch.path("run/metrics.jsonl"))
    try FileManager.default.createDirectory(
      atPath: scratch.path("run/metrics.jsonl"), withIntermediateDirectories: true)
    let resume = ["train", "--resume", "run", "--steps", "9"]
    let broken = try Program(resume, in: scratch.url)
    #expect(broken.wait() == 1 && broken.errors.contains("the run's history would be lost"), "\(broken.errors)")
    try FileManager.default.removeItem(atPath: scratch.path("run/metrics.jsonl"))
    let missing = try Program(resume, in: scratch.url)
    #expect(missing.wait() == 0 && missing.errors.contains("metrics.jsonl is missing"), "\(missing.errors)")
  }

  @Test func linesThatAreNoMetricsAreKeptAndATornLastOneIsNot() throws {
    #expect(try train(job).code == 0)
    let path = scratch.path("run/metrics.jsonl")
    let lines = try scratch.read("run/metrics.jsonl")
    try ("a note of mine\n" + lines + #"{"event":"step","st"#).write(toFile: path, atomically: true, encoding: .utf8)
    let resumed = try Program(["train", "--resume", "run", "--steps", "9"], in: scratch.url)
    #expect(resumed.wait() == 0 && resumed.errors.contains("1 lines that are no metrics"), "\(resumed.errors)")
    let after = try scratch.read("run/metrics.jsonl").split(separator: "\n")
    #expect(after[0] == "a note of mine" && after[1] == lines.split(separator: "\n")[0])
    #expect(after.count { $0.contains(#""event":"step""#) } == 9)
  }

  @Test("the script that starts coordinators goes on with a saved run, and leaves a finished one without checkpoints")
  func startScript() throws {
    let job = try scratch.file("job.yaml", "model: linear\nsteps: 6\n")
    let script = package.appendingPathComponent("deploy/start-coordinator.sh").path
    let environment = [
      "LOCKSTEP_OUTPUT": scratch.path("run"), "HOME": scratch.path(""), "XDG_RUNTIME_DIR": "",
      "PATH": Program.folder.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? ""),
    ]
    func start() throws -> Program {
      try Program([script, job, "--worker-timeout", "20"], of: "/bin/sh", environment: environment)
    }
    // Killed before its first checkpoint: the folder is there, and the script begins anew.
    let first = try start()
    try #require(first.waitForOutput("listening on"), "\(first.errors)")
    first.send(SIGKILL)
    _ = first.wait()
    let second = try start()
    try #require(second.waitForOutput("listening on"), "\(second.errors)")
    let worker = try Program(["worker"], environment: environment)
    #expect(worker.wait() == 0 && second.wait() == 0, "\(second.errors)\(worker.errors)")
    #expect(try start().wait() == 0, "it is complete")
    try FileManager.default.removeItem(atPath: scratch.path("run/checkpoints"))
    let kept = try start()
    #expect(kept.wait() == 64 && kept.errors.contains("which completed after 6 steps"), "\(kept.errors)")
  }
}
