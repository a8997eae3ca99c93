import Foundation
import Testing

/// Runs of replicas that take local steps.
@Suite(.serialized) struct LocalStepsTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let digits = ["--data", "digits", "--model", "mlp:16", "--activation", "tanh"]

  /// Epochs of 15 steps, and of four of which the last has one example, so that most replicas have none.
  static let jobs: [[String]] = [
    [
      "--optimizer", "sgd", "--learning-rate", "0.2", "--batch-size", "100", "--micro-batches", "8", "--replicas", "2",
      "--local-steps", "4",
    ],
    [
      "--optimizer", "momentum", "--learning-rate", "0.1", "--batch-size", "100", "--micro-batches", "4", "--replicas",
      "4", "--local-steps", "4",
    ],
    [
      "--optimizer", "momentum", "--learning-rate", "0.05", "--batch-size", "479", "--micro-batches", "8",
      "--replicas", "4", "--local-steps", "3", "--clip-norm", "0.4", "--seed", "3",
    ],
    [
      "--optimizer", "adam", "--learning-rate", "0.01", "--batch-size", "100", "--micro-batches", "8", "--replicas",
      "4", "--local-steps", "4",
    ],
    [
      "--optimizer", "adam", "--learning-rate", "0.01", "--batch-size", "100", "--micro-batches", "4", "--replicas",
      "2", "--local-steps", "7", "--outer-learning-rate", "0.7", "--outer-momentum", "0.5",
    ],
  ]

  @Test("a run is what NumPy makes of it in float64, for one worker and for three", arguments: jobs)
  func isTheDefinition(_ job: [String]) throws {
    guard let python = pythonWithNumPy() else { return }
    _ = try train(scratch, Self.digits + job + ["--steps", "0"], output: "initial")
    let one = try train(scratch, Self.digits + job + ["--epochs", "3", "--workers", "1"], output: "one")
    let check = try Program(
      [
        package.appendingPathComponent("Tests/EndToEndTests/local_steps.py").path,
        scratch.path("initial/model.safetensors"), scratch.path("one"),
        package.appendingPathComponent("Sources/Datasets/Resources/digits.csv.gz").path,
      ], of: python)
    #expect(check.wait() == 0, "\(check.errors)")
    #expect(check.output.hasSuffix(" losses and 1210 parameters are the same\n"), "\(check.output)")
    let three = try train(scratch, Self.digits + job + ["--epochs", "3", "--workers", "3"], output: "three")
    #expect(three.parameters_sha256 == one.parameters_sha256)
  }

  @Test(
    "a run is what NumPy makes of it, bit for bit", arguments: ["float32", "bf16"], [(2, 2), (4, 2), (2, 4), (4, 3)])
  func bits(_ precision: String, _ local: (replicas: Int, steps: Int)) throws {
    guard let python = pythonWithNumPy() else { return }
    let script = package.appendingPathComponent("Tests/EndToEndTests/local_run.py").path
    try #require(Program([script, "make", scratch.path("")], of: python).wait() == 0)
    let job = [
      "--data", scratch.path("data.npz"), "--test-fraction", "0", "--scale", "none", "--model", "linear", "--loss",
      "mean-squared-error", "--optimizer", "momentum", "--momentum", "0.5", "--learning-rate", "0.25",
      "--batch-size", "8", "--micro-batches", "4", "--replicas", "\(local.replicas)", "--local-steps",
      "\(local.steps)", "--precision", precision, "--initial", scratch.path("start.safetensors"),
    ]
    for options in [["--workers", "1"], ["--workers", "3", "--transport", "zmq"]] {
      _ = try train(scratch, job + ["--epochs", "1"] + options, output: options.joined())
      let models = ["start.safetensors", "\(options.joined())/model.safetensors"].map { scratch.path($0) }
      let check = try Program([script, "check", scratch.path("")] + models, of: python)
      #expect(check.wait() == 0, "\(options): \(check.errors)")
      #expect(check.output == "4 parameters are the same, bit for bit\n")
    }
  }

  @Test func oneLocalStepIsNoLocalStep() throws {
    let plain = try train(scratch, ["--model", "linear", "--steps", "5"], output: "plain")
    let one = try train(scratch, ["--model", "linear", "--steps", "5", "--local-steps", "1"], output: "one")
    #expect(plain.parameters_sha256 == one.parameters_sha256)
    #expect(try scratch.read("one/job.yaml") == scratch.read("plain/job.yaml"))
  }

  @Test("an evaluation and a checkpoint within a round wait for its end")
  func intervals() throws {
    let job = ["--model", "linear", "--steps", "22", "--local-steps", "5", "--replicas", "2", "--evaluate-every", "4"]
    _ = try train(scratch, job + ["--checkpoint-every", "6"], output: "run")
    struct Line: Decodable {
      let event: String
      let step: Int
    }
    let lines = try scratch.read("run/metrics.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    #expect(lines.filter { $0.event == "step" }.map(\.step) == Array(1...22))
    // An epoch has twelve steps: its rounds end after 5, 10 and 12, and so do those of the second one, after 17 and 22.
    #expect(lines.filter { $0.event == "evaluation" }.map(\.step) == [5, 10, 12, 17, 22])
    #expect(CheckpointNames(scratch.path("run/checkpoints")).whole.allSatisfy { [10, 12, 17, 22].contains(Int($0)) })
  }

  /// An evaluation that does not halve the loss ends all learning.
  @Test func replicasLearnAtTheRateThatThePlateauHasLeft() throws {
    let job = [
      "--model", "linear", "--learning-rate", "0.0001", "--epochs", "3", "--local-steps", "5", "--replicas", "2",
      "--schedule", "plateau", "--plateau-patience", "0", "--plateau-threshold", "0.5", "--schedule-factor", "0",
    ]
    _ = try train(scratch, job, output: "run")
    struct Line: Decodable {
      let event: String
      let learning_rate: Double?
      let parameters_sha256: String?
    }
    let lines = try scratch.read("run/metrics.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    #expect(
      lines.filter { $0.event == "step" }.compactMap(\.learning_rate)
        == Array(repeating: 0.0001, count: 24) + Array(repeating: 0, count: 12))
    let hashes = lines.filter { $0.event == "epoch" }.compactMap(\.parameters_sha256)
    #expect(hashes.count == 3 && hashes[0] != hashes[1] && hashes[1] == hashes[2])
  }

  @Test("a worker that is killed within a round does not change a bit", arguments: ["auto", "zmq"])
  func kill(_ transport: String) throws {
    let job = [
      "--model", "mlp:64", "--epochs", "60", "--local-steps", "6", "--replicas", "8", "--optimizer", "momentum",
    ]
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--transport", transport])
    var workers = try (0..<2).map { _ in try Program(["worker", "--connect", coordinator.address]) }
    for epoch in [5, 15, 25, 35, 45] {
      try #require(coordinator.program.waitForOutput("epoch \(epoch < 10 ? " " : "")\(epoch)/60"))
      workers.append(try Program(["worker", "--connect", coordinator.address, "--threads", "\(epoch % 3 + 1)"]))
      workers[workers.count - 3].send(SIGKILL)
    }
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    #expect(coordinator.program.errors.contains("has left"), "\(coordinator.program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
    let diff = try succeed(["diff", scratch.path("undisturbed"), scratch.path("run")])
    #expect(diff.output.hasPrefix("equal: the losses of 720 steps"), "\(diff.output)")
  }

  /// A record that no perceptron can bear, in a step of the first epoch.
  @Test("a replica that is not finite ends the run, or its round is skipped, for any number of workers")
  func nonFinite() throws {
    let rows = (0..<60).map { row in
      (0..<24).map { row == 17 ? "3e38" : "\((row * ($0 + 3)) % 7 + $0).5" }.joined(separator: ",") + ",\(row % 3).5"
    }
    let data = try scratch.file("huge.csv", (0..<24).map { "x\($0)," }.joined() + "y\n" + rows.joined(separator: "\n"))
    let job = [
      "--data", data, "--scale", "none", "--loss", "mean-squared-error", "--test-fraction", "0", "--model", "mlp:64",
      "--batch-size", "10", "--micro-batches", "10", "--learning-rate", "0.0001", "--local-steps", "2",
    ]
    struct Line: Decodable {
      let event: String
      let step: Int
      let skipped: Bool?
    }
    func skipped(_ folder: String) throws -> [Int] {
      try scratch.read("\(folder)/metrics.jsonl").split(separator: "\n")
        .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        .filter { $0.event == "step" && $0.skipped == true }.map(\.step)
    }
    let skipping = job + ["--replicas", "5", "--epochs", "1", "--on-nonfinite", "skip"]
    let digests = try ["1", "3"].map {
      try train(scratch, skipping + ["--workers", $0], output: "skip-\($0)").parameters_sha256
    }
    let steps = try skipped("skip-1")
    #expect(digests[0] == digests[1])
    #expect(steps.count == 2 && steps[0] % 2 == 1 && steps[1] == steps[0] + 1, "\(steps)")
    #expect(try skipped("skip-3") == steps)
    let program = try Program(
      ["train", "--output", scratch.path("stop"), "--replicas", "5", "--workers", "2"] + job)
    #expect(program.wait(seconds: 10) == 1)
    let error = try #require(program.errors.split(separator: "\n").last)
    let isNamed = steps.contains { error.hasPrefix("error: step \($0): in replica ") }
    #expect(
      isNamed && error.contains(" of 5, which worker ") && error.contains(" computed, the gradient or update of "),
      "\(error)")
  }

  @Test("a checkpoint of local steps goes on to the same bits, and shows its options")
  func resume() throws {
    let job = [
      "--model", "mlp:32", "--local-steps", "5", "--replicas", "4", "--outer-learning-rate", "0.6", "--clip-norm", "1",
    ]
    let whole = try train(scratch, job + ["--epochs", "4", "--checkpoint-every", "7"], output: "whole")
    let names = CheckpointNames(scratch.path("whole/checkpoints")).whole
    let first = try #require(names.first { Int($0) != 48 })
    try FileManager.default.copyItem(atPath: scratch.path("whole"), toPath: scratch.path("cut"))
    for later in names where later > first {
      try FileManager.default.removeItem(atPath: scratch.path("cut/checkpoints/\(later)"))
    }
    try succeed(["train", "--resume", scratch.path("cut"), "--workers", "3"])
    #expect(try Summary(scratch.path("cut")).parameters_sha256 == whole.parameters_sha256)
    let again = try train(scratch, ["--job", scratch.path("whole/job.yaml"), "--workers", "2"], output: "again")
    #expect(again.parameters_sha256 == whole.parameters_sha256)
    let shown = try succeed(["inspect", scratch.path("whole/model.safetensors")]).output
    #expect(shown.contains(/\nlocal-steps +5\n/) && shown.contains(/\nreplicas +4\n/), "\(shown)")
  }

  @Test func aRunWhoseLastRoundItsEndCutShortGoesOnWithNoOtherLength() throws {
    let job = ["--model", "linear", "--local-steps", "5", "--replicas", "2"]
    _ = try train(scratch, job + ["--steps", "7"], output: "run")
    let program = try Program(["train", "--resume", scratch.path("run"), "--steps", "12"])
    #expect(program.wait() == 64)
    #expect(
      program.errors.contains(
        "--local-steps 5 of the run in \(scratch.path("run")) made its last round end with step 7"),
      "\(program.errors)")
    // Where a round ends anyway, it may.
    _ = try train(scratch, job + ["--steps", "10"], output: "even")
    let whole = try train(scratch, job + ["--steps", "24"], output: "whole")
    try succeed(["train", "--resume", scratch.path("even"), "--steps", "24"])
    #expect(try Summary(scratch.path("even")).parameters_sha256 == whole.parameters_sha256)
  }

  static let errors: [([String], String)] = [
    (["--replicas", "4"], "--replicas 4 needs --local-steps, the steps that each takes before they are averaged"),
    (["--local-steps", "16"], "--local-steps 16 needs --replicas, how many train apart: a divisor of --micro-batches"),
    (
      ["--local-steps", "16", "--replicas", "3"],
      "--replicas 3: they cannot share the 8 micro-batches of a step equally; give 1, 2, 4, 8, or other --micro-batches"
    ),
    (
      ["--local-steps", "16", "--replicas", "2", "--outer-every", "8"],
      "--outer-every 8 and --local-steps 16 exclude each other: with local steps, --outer-learning-rate makes"
    ),
    (
      ["--local-steps", "16", "--replicas", "2", "--outer-momentum", "0.5"],
      "--outer-momentum needs --outer-learning-rate, with which an outer step ends each round"
    ),
    (
      ["--local-steps", "4", "--replicas", "2", "--optimizer", "gradient-descent"],
      "--local-steps 4 does not go with --optimizer gradient-descent, whose step needs all examples"
    ),
    (
      ["--local-steps", "4", "--replicas", "2", "--optimizer", "blend", "--blend", "auto"],
      "--local-steps 4 does not go with --blend auto: its state is a number that follows the gradient of all examples"
    ),
    (
      ["--local-steps", "4", "--replicas", "2", "--optimizer", "sgd", "--schedule", "hypergradient"],
      "--local-steps 4 does not go with --schedule hypergradient: its state is a number"
    ),
    (
      ["--local-steps", "4", "--replicas", "2", "--data", "none", "--model", "quadratic:3", "--micro-batches", "2"],
      "--local-steps 4: an epoch has one step, and no round spans two epochs; give a smaller --batch-size"
    ),
    (
      ["--local-steps", "4", "--replicas", "2", "--noise-scale", "yes"],
      "--local-steps 4 does not go with --noise-scale, which compares the gradients of a step's micro-batches"
    ),
    (["--local-steps", "0"], "--local-steps 0: a whole number from 1 to 4096"),
  ]

  @Test("an option that does not fit is named with the way out, in one line", arguments: errors)
  func refusals(_ options: [String], _ message: String) throws {
    let program = try Program(["train", "--output", scratch.path("run")] + options)
    #expect(program.wait() == 64)
    #expect(program.errors.contains(message), "\(program.errors)")
    #expect(program.errors.split(separator: "\n").count == 1, "\(program.errors)")
  }
}
