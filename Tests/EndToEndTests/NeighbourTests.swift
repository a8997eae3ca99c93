import Foundation
import Kernels
import Optimizers
import Schema
import TestSupport
import Testing

/// Workers that meet their coordinator without an address, and workers that compute other bits.
@Suite(.serialized) struct NeighbourTests {
  private let scratch: Scratch
  private var home: [String: String] { ["HOME": scratch.path(""), "XDG_RUNTIME_DIR": ""] }

  init() throws { scratch = try Scratch() }

  private func coordinate(_ arguments: [String], output: String = "run") throws -> Program {
    try Program(["coordinator", "--output", output] + arguments, in: scratch.url, environment: home)
  }

  @Test func twoTerminalsNeedNoAddressAndAThirdIsTold() throws {
    let coordinator = try coordinate(["--steps", "30"])
    try #require(coordinator.waitForOutput("start workers with: lockstep worker\n"), "\(coordinator.errors)")
    #expect(coordinator.output.contains("listening on ipc://\(scratch.path(".lockstep"))/coordinator.socket;"))
    let second = try coordinate(["--steps", "30"], output: "second")
    #expect(second.wait() == 1)
    #expect(second.errors.contains("is in use by another coordinator: choose another address with --bind"))
    let worker = try Program(["worker"], environment: home)
    #expect(worker.wait() == 0 && coordinator.wait() == 0, "\(worker.errors)\(coordinator.errors)")
    #expect(coordinator.errors.isEmpty, "\(coordinator.errors)")
    let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path(".lockstep"))
    #expect(left.isEmpty, "\(left)")
  }

  @Test func aWorkerMayStartFirst() throws {
    let worker = try Program(["worker"], environment: home)
    try #require(worker.waitForOutput("connecting to ipc://"))
    let coordinator = try coordinate(["--steps", "30"])
    #expect(worker.wait() == 0 && coordinator.wait() == 0, "\(worker.errors)\(coordinator.errors)")
  }

  @Test("vectors of every width give the same bits, in runs of their own and in one run")
  func unlikeWorkers() throws {
    let job = ["--steps", "300", "--model", "mlp:300,20", "--activation", "gelu", "--dropout", "0.2"]
    func train(_ width: String) throws -> Program {
      try Program(
        ["train", "--output", width] + job, in: scratch.url,
        environment: home.merging([VectorWidth.variable: width]) { $1 })
    }
    let widths = VectorWidth.available.map { "\($0.rawValue)" }
    for width in widths { #expect(try train(width).wait() == 0) }
    // The coordinator stands still until all workers have connected, so that none comes after the last step.
    let coordinator = try coordinate(job)
    try #require(coordinator.waitForOutput("start workers with: "), "\(coordinator.errors)")
    coordinator.send(SIGSTOP)
    let workers = try widths.map {
      try Program(["worker"], environment: home.merging([VectorWidth.variable: $0]) { $1 })
    }
    for worker in workers { try #require(worker.waitForOutput("connecting to ipc://"), "\(worker.errors)") }
    coordinator.send(SIGCONT)
    for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
    #expect(coordinator.wait() == 0, "\(coordinator.errors)")
    let summaries = try (widths + ["run"]).map { try Summary(scratch.path($0)) }
    #expect(Set(summaries.map(\.parameters_sha256)).count == 1)
    #expect(summaries.last?.workers == widths.count, "all of them have computed")
    let none = try train("5")
    #expect(none.wait() == 64)
    let list = widths.joined(separator: ", ")
    #expect(none.errors == "error: LOCKSTEP_VECTOR_WIDTH=5: this processor has vectors of \(list) floats\n")
  }

  /// Every rule, and with them every schedule and activation.
  static let rulesAndSchedules: [(String, String, String)] = {
    let rules = UpdateRules.registry.all.map { $0.name }
    let schedules = ScheduleKind.allCases.filter { $0 != .hypergradient }
    let jobs = rules.enumerated().map { index, rule in
      (rule, schedules[index % schedules.count].rawValue, Activation.allCases[index % 4].rawValue)
    }
    return jobs + [("adam", ScheduleKind.hypergradient.rawValue, "relu")]
  }()

  @Test(
    "a coordinator and workers with vectors of unlike widths leave the bits of a run with like ones",
    .tags(.heavy), .enabled(if: runsHeavyCases), arguments: rulesAndSchedules)
  func unlikeWidths(_ rule: String, _ schedule: String, _ activation: String) throws {
    try expectEqualBitsOfUnlikeWidths([
      "--optimizer", rule, "--schedule", schedule, "--activation", activation, "--dropout", "0.2",
      "--model", "mlp:70,24", "--micro-batches", "6", "--epochs", "4",
    ])
  }

  @Test(
    "vectors of unlike widths leave the same bits of every kind of model", .tags(.heavy), .enabled(if: runsHeavyCases),
    arguments: [
      "lenet --data fashion-mnist --steps 15", "cnn:9,20 --hidden 30 --steps 15",
      "resnet:1,2 --channels 8,16 --steps 15",
      "resnet:1,1 --channels 5,19 --norm batch --steps 15",
      "transformer --data text:TEXT --layers 2 --heads 2 --width 28 --context 19 --batch-size 24 --steps 15",
      "transformer --data text:TEXT --layers 1 --heads 4 --width 32 --context 70 --tied yes --batch-size 12 --steps 15",
    ])
  func unlikeWidthsOfModels(_ model: String) throws {
    let text = try scratch.file("text.txt", (0..<200).map { "\($0 * $0 * 7919 % 1000) bottles\n" }.joined())
    try expectEqualBitsOfUnlikeWidths(
      ["--micro-batches", "6", "--model"]
        + model.split(separator: " ").map {
          String($0).replacing("TEXT", with: text)
        })
  }

  private func expectEqualBitsOfUnlikeWidths(_ job: [String]) throws {
    try succeed(["train", "--output", "alike"] + job, in: scratch)
    func start(_ arguments: [String], width: Int) throws -> Program {
      try Program(arguments, in: scratch.url, environment: home.merging([VectorWidth.variable: "\(width)"]) { $1 })
    }
    let widths = VectorWidth.available.map(\.rawValue).sorted()
    let workers = try widths.map { try start(["worker"], width: $0) }
    for worker in workers { try #require(worker.waitForOutput("connecting to ipc://")) }
    let coordinator = try start(["coordinator", "--output", "unlike"] + job, width: widths[0])
    #expect(coordinator.wait() == 0, "\(coordinator.errors)")
    for worker in workers { _ = worker.wait() }
    #expect(
      try Summary(scratch.path("unlike")).parameters_sha256 == Summary(scratch.path("alike")).parameters_sha256)
  }

  @Test("a run is not resumed with other bits than it began with, unless the user says so")
  func resumedWithOtherBits() throws {
    try succeed(["train", "--output", "run", "--steps", "4", "--model", "linear"], in: scratch)
    let path = "run/checkpoints/0000000004/state.json"
    let state = try scratch.read(path)
    func resume(_ changed: String, _ options: [String] = []) throws -> Program {
      #expect(changed != state)
      try changed.write(toFile: scratch.path(path), atomically: true, encoding: .utf8)
      var hash = SHA256()
      Array(changed.utf8).withUnsafeBytes { hash.update($0) }
      let sums = try scratch.read("run/checkpoints/0000000004/SHA256SUMS").split(separator: "\n")
        .map { $0.hasSuffix("state.json") ? "\(hash.digest.hex)  state.json\n" : "\($0)\n" }
      try sums.joined().write(
        toFile: scratch.path("run/checkpoints/0000000004/SHA256SUMS"), atomically: true, encoding: .utf8)
      let program = try Program(["train", "--resume", "run", "--steps", "6"] + options, in: scratch.url)
      _ = program.wait()
      return program
    }
    let older = try resume(state.replacingOccurrences(of: "\"numerics\" : 3", with: "\"numerics\" : 1"))
    let version = "the run in run has numerics version 1, and this program version 3"
    #expect(older.wait() == 1 && older.errors.contains(version), "\(older.errors)")
    let changed = state.replacing(/"numerics" : "2:./, with: "\"numerics\" : \"2:x")
    let other = try resume(changed)
    let bits = "computed other bits than this program does here"
    #expect(other.wait() == 1 && other.errors.contains(bits), "\(other.errors)")
    let accepted = try resume(changed, ["--accept-other-numerics"])
    #expect(accepted.wait() == 0)
    let note =
      "the run in run computed other bits than this program does here: the program, its model, or one of the machines "
      + "has changed; from step 4 on it goes on with other bits"
    #expect(accepted.errors.contains("warning: \(note)\n"), "\(accepted.errors)")
    #expect(try scratch.read("run/summary.json").contains(note))
    let job = try scratch.read("run/job.yaml")
    #expect(job.contains("ends with other ones") && job.contains("numerics: 3"), "\(job)")
    try job.replacingOccurrences(of: "numerics: 3", with: "numerics: 1").write(
      toFile: scratch.path("old.yaml"), atomically: true, encoding: .utf8)
    let old = try succeed(["train", "--job", "old.yaml", "--output", "again"], in: scratch)
    #expect(
      old.errors.contains("warning: old.yaml is of a run with numerics version 1, and this program has version 3"),
      "\(old.errors)")
  }

  @Test("the check command proves a model, and names what is wrong with one")
  func check() throws {
    let good = try succeed(["check", "--model", "mlp:16"])
    #expect(good.output.hasPrefix("mlp:16 on digits (1,210 parameters)\nok      made twice"), "\(good.output)")
    #expect(good.output.split(separator: "\n").count { $0.hasPrefix("ok      ") } == 9, "\(good.output)")
    let none = try Program(["check", "--model", "nonsense"])
    #expect(none.wait() == 64 && none.errors.contains("unknown model 'nonsense'"))
  }

  @Test("numbers that cannot be are named, wherever they stand in a checkpoint")
  func hostileCheckpoint() throws {
    try succeed(["train", "--output", "run", "--steps", "4", "--model", "linear"], in: scratch)
    let path = scratch.path("run/checkpoints/0000000004/state.json")
    let state = try String(contentsOfFile: path, encoding: .utf8)
    for (old, new, problem) in [
      ("\"step\" : 4", "\"step\" : -9223372036854775808", "the step is -9223372036854775808"),
      ("\"step\" : 4", "\"step\" : 9223372036854775807", "the step is 9223372036854775807"),
      ("\"updates\" : 4", "\"updates\" : -1", "the updates are -1"),
      ("\"updates\" : 4", "\"updates\" : 5", "the updates are 5"),
      ("\"epochs\" : 1", "\"epochs\" : -1", "the count of epochs is -1"),
      (
        "\"examples_seen\" : 512", "\"examples_seen\" : 9223372036854775807",
        "the count of examples is 9223372036854775807"
      ),
    ] {
      try #require(state.contains(old), "\(state)")
      try state.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      let inspect = try Program(["inspect", "run/checkpoints/0000000004"], in: scratch.url)
      #expect(inspect.wait() == 1 && inspect.output.contains(problem), "\(inspect.output)\(inspect.errors)")
      #expect(try Program(["inspect", "run"], in: scratch.url).wait() == 1)
      let resume = try Program(["train", "--resume", "run", "--steps", "6"], in: scratch.url)
      #expect(resume.wait() == 1 && resume.errors.contains(problem), "\(resume.errors)")
    }
  }

  @Test("models that an archive has no room for are refused, and no number in a file ends a command")
  func hostileModels() throws {
    func model(_ name: String, _ header: String, values: Int = 1) throws -> String {
      var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      data += Data(header.utf8) + Data(count: 4 * values)
      try data.write(to: scratch.url.appendingPathComponent(name))
      return scratch.path(name)
    }
    let longName = String(repeating: "n", count: 70_000)
    let long = try model("long", #"{"\#(longName)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#)
    let shape = Array(repeating: "1", count: 70).joined(separator: ",")
    let deep = try model("deep", #"{"a":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[0,4]}}"#)
    for (path, message) in [(long, "bytes, and an archive takes 65531"), (deep, "has 70 sizes, and NumPy takes 64")] {
      let export = try Program(["export", path, "--output", "out.npz"], in: scratch.url)
      #expect(export.wait() == 1 && export.errors.contains(message), "\(export.errors.prefix(300))")
      #expect(!FileManager.default.fileExists(atPath: scratch.path("out.npz")))
      #expect(try Program(["inspect", path]).wait() == 0)
    }
    // A run's summary is shown as it is.
    try succeed(["train", "--output", "run", "--steps", "2", "--model", "linear"], in: scratch)
    let summary = try scratch.read("run/summary.json")
    for number in ["-9223372036854775808", "9223372036854775807"] {
      _ = try scratch.file("run/summary.json", summary.replacing("\"steps\" : 2", with: "\"steps\" : \(number)"))
      let inspect = try Program(["inspect", "run"], in: scratch.url)
      #expect(inspect.wait() == 0 && inspect.output.contains("9,223,372,036,854,775,80"), "\(inspect.output)")
    }
  }
}
