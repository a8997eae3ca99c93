import Foundation
import Testing

@Suite(.serialized) struct TrainTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  @Test func defaultsReach96PercentOnTheDigitsAndLeaveACompleteFolder() throws {
    let program = try succeed(["train", "--output", scratch.path("run")])
    let summary = try Summary(scratch.path("run"))
    #expect(summary.status == "completed" && summary.error == nil)
    #expect(summary.workers == 2 && summary.threads == 1)
    #expect(summary.steps == 120 && summary.epochs == 10 && summary.examples_seen == 14380)
    #expect(try #require(summary.test_accuracy) >= 0.96)
    #expect(try #require(summary.train_loss) < 0.1)
    #expect(summary.parameter_count == 65 * 256 + 257 * 128 + 129 * 10)
    #expect(summary.parameters_sha256.count == 64)
    #expect(program.output.contains("parameters_sha256: \(summary.parameters_sha256)"))
    #expect(program.output.contains(/\ntime: \d+ % computing, \d+ % waiting, \d+ % sums and updates, \d+ % messages\n/))
    let time = summary.step_time
    #expect(time.tensors == nil)
    #expect(abs(time.compute + time.wait + time.sum_update + time.transfer - time.total) < 1e-9 * time.total)
    #expect(time.compute > 0 && time.sum_update > 0 && time.transfer > 0 && time.total < summary.seconds)
    let lines = try scratch.read("run/metrics.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(MetricsLine.self, from: Data($0.utf8))
    }
    let steps = lines.filter { $0.event == "step" }
    #expect(steps.map(\.step) == Array(1...120))
    #expect(steps.compactMap(\.examples).reduce(0, +) == 14380)
    #expect(steps.allSatisfy { ($0.loss ?? 0) > 0 && ($0.seconds ?? 0) > 0 })
    // Where one was late, the other did its part as well.
    #expect(steps.allSatisfy { [1, 2].contains($0.compute_seconds?.count) })
    #expect(steps.contains { $0.compute_seconds?.count == 2 })
    let evaluations = lines.filter { $0.event == "evaluation" }
    #expect(evaluations.map(\.step) == Array(stride(from: 12, through: 120, by: 12)))
    #expect(evaluations.last?.test_accuracy == summary.test_accuracy)
    #expect(evaluations.last?.test_loss == summary.test_loss)
  }

  @Test func workersAndThreadsDoNotChangeABit() throws {
    let hashes = try [("1", "1"), ("2", "1"), ("2", "1"), ("3", "1"), ("2", "3"), ("5", "2")].map { workers, threads in
      try train(scratch, ["--epochs", "2", "--workers", workers, "--threads", threads]).parameters_sha256
    }
    #expect(Set(hashes).count == 1, "\(hashes)")
    #expect(try train(scratch, ["--epochs", "2", "--seed", "1"]).parameters_sha256 != hashes[0])
    #expect(try train(scratch, ["--epochs", "2", "--micro-batches", "4"]).parameters_sha256 != hashes[0])
  }

  @Test("a rule's work on whole tensors has its share of a step", arguments: ["muon", "soap", "adafactor"])
  func wholeTensors(_ rule: String) throws {
    let program = try succeed(["train", "--optimizer", rule, "--epochs", "2", "--output", scratch.path(rule)])
    let time = try Summary(scratch.path(rule)).step_time
    #expect(try #require(time.tensors) > 0 && #require(time.tensors) <= time.sum_update)
    #expect(
      program.output.contains(try Regex("\\d+ % sums and updates \\(\\d+ % \(rule)'s work on whole tensors\\), ")),
      "\(program.output)")
  }

  @Test func dropoutIsTheSameForAnyNumberOfWorkers() throws {
    let options = ["--epochs", "2", "--dropout", "0.2", "--batch-size", "100"]
    let hashes = try ["1", "2", "3"].map { try train(scratch, options + ["--workers", $0]).parameters_sha256 }
    #expect(Set(hashes).count == 1, "\(hashes)")
    #expect(try train(scratch, ["--epochs", "2", "--batch-size", "100"]).parameters_sha256 != hashes[0])
  }

  @Test(
    "a loss's options give the same bits for any number of workers, and other bits than the plain loss",
    arguments: [
      ["--label-smoothing", "0.1"], ["--class-weights", "1,2,0.5,1,1,0,3,1,1,1"], ["--ignored-class", "4"],
      ["--label-smoothing", "0.2", "--class-weights", "1,2,0.5,1,1,0,3,1,1,1", "--ignored-class", "9"],
    ])
  func lossOptions(_ options: [String]) throws {
    let runs = try ["1", "3"].map { try train(scratch, ["--epochs", "2", "--workers", $0] + options) }
    #expect(runs[0].parameters_sha256 == runs[1].parameters_sha256 && runs[0].test_loss == runs[1].test_loss)
    #expect(try train(scratch, ["--epochs", "2"]).parameters_sha256 != runs[0].parameters_sha256)
    #expect(try #require(runs[0].test_accuracy) > 0.6)
  }

  @Test("losses of numbers learn", arguments: ["mse", "mae", "huber", "bce"])
  func lossesOfNumbers(_ loss: String) throws {
    let rows = (0..<200).map { "\($0 * 37 % 200),\($0 * 37 % 200 < 100 ? 0 : 1)" }
    let data = try scratch.file("step.csv", "a,y\n" + rows.joined(separator: "\n"))
    let options = ["--data", data, "--loss", loss, "--model", "mlp:16", "--learning-rate", "0.02"]
    let start = try train(scratch, options + ["--steps", "0"])
    let end = try train(scratch, options + ["--epochs", "40"])
    #expect(try #require(end.test_loss) < 0.3 * (try #require(start.test_loss)))
    #expect((end.test_r2 == nil) == (loss == "bce") && (end.test_accuracy == nil) == (loss != "bce"))
  }

  @Test func aRunsOwnJobFileGivesTheSameBits() throws {
    let options = [
      "--epochs", "1", "--model", "mlp:20", "--activation", "tanh", "--optimizer", "rmsprop", "--rho", "0.95",
      "--learning-rate", "0.003", "--batch-size", "100", "--micro-batches", "3", "--seed", "7", "--scale", "unit",
    ]
    let first = try train(scratch, options, output: "first")
    let again = try train(scratch, ["--job", scratch.path("first/job.yaml"), "--workers", "3"], output: "again")
    #expect(again.parameters_sha256 == first.parameters_sha256)
    #expect(try scratch.read("again/job.yaml") == scratch.read("first/job.yaml"))
  }

  @Test func zeroStepsWriteTheInitialModel() throws {
    let summary = try train(scratch, ["--steps", "0"], output: "zero")
    #expect(summary.steps == 0 && summary.train_loss == nil && summary.test_loss != nil)
    #expect(FileManager.default.fileExists(atPath: scratch.path("zero/model.safetensors")))
    #expect(try train(scratch, ["--epochs", "0"]).parameters_sha256 == summary.parameters_sha256)
  }

  @Test func evaluateGivesTheRunsOwnFigures() throws {
    let summary = try train(scratch, ["--epochs", "1"], output: "run")
    let program = try succeed(["evaluate", "--model", scratch.path("run/model.safetensors"), "--data", "digits"])
    #expect(program.output.contains("test loss: \(try #require(summary.test_loss))\n"))
    #expect(program.output.contains("test accuracy: \(try #require(summary.test_accuracy))\n"))
  }

  @Test func aCSVOfOnesOwnIsLearned() throws {
    // y = 3 a − 2 b + 1, and a column that never changes, which is left out.
    let rows = (0..<300).map { row in
      let (a, b) = (Double(row * 37 % 100) / 10, Double(row * 53 % 70) / 10)
      return "\(a),\(3 * a - 2 * b + 1),5,\(b)"
    }
    let path = try scratch.file("own data.csv", "a,y,constant,b\n" + rows.joined(separator: "\n"))
    let summary = try train(
      scratch,
      [
        "--data", path, "--label", "y", "--model", "linear", "--learning-rate", "0.05", "--epochs", "30",
        "--batch-size", "16",
      ],
      output: "run")
    #expect(try #require(summary.test_r2) > 0.999)
    #expect(summary.test_accuracy == nil && summary.parameter_count == 3)
    // All records of the same file, scaled as the model says.
    let program = try succeed([
      "evaluate", "--model", scratch.path("run/model.safetensors"), "--data", path, "--label", "y",
    ])
    #expect(program.output.contains("(300 examples)"))
    #expect(program.output.contains("test R²: 0.99"))
  }

  @Test func moreWorkersThanMicroBatchesStandBy() throws {
    let few = try train(scratch, ["--steps", "5", "--micro-batches", "2", "--workers", "1"])
    let many = try train(scratch, ["--steps", "5", "--micro-batches", "2", "--workers", "4"])
    #expect(many.workers == 4 && many.parameters_sha256 == few.parameters_sha256)
    let program = try succeed(["train", "--steps", "5", "--micro-batches", "2", "--workers", "4"], in: scratch)
    #expect(program.errors == "warning: 2 of 4 workers stand by: a step has 2 micro-batches (--micro-batches)\n")
  }

  @Test(
    "a model of one's own, by its forward pass or by an operation of its own, has the same commands",
    arguments: [("custom-model", "classifier"), ("custom-operation", "prototypes")])
  func customModels(_ program: String, _ model: String) throws {
    let arguments = ["train", "--model", model, "--epochs", "10", "--learning-rate", "0.003", "--workers"]
    var hashes: [String] = []
    for workers in ["1", "3"] {
      try succeed(arguments + [workers, "--output", scratch.path(workers)], of: program)
      let summary = try Summary(scratch.path(workers))
      #expect(try #require(summary.test_accuracy) > 0.85)
      hashes.append(summary.parameters_sha256)
    }
    #expect(hashes[0] == hashes[1])
    let evaluation = try succeed(["evaluate", "--model", scratch.path("1/model.safetensors")], of: program)
    #expect(evaluation.output.contains("test accuracy: 0.9"), "\(evaluation.output)")
    try succeed(["check", "--model", model], of: program)
  }

  @Test(
    "NumPy reads the model by the safetensors package and gets the same test accuracy",
    arguments: [
      ["--epochs", "2"], ["--epochs", "2", "--model", "mlp:32,16", "--activation", "gelu", "--scale", "unit"],
      ["--epochs", "2", "--model", "linear"],
    ])
  func numPyAgrees(_ options: [String]) throws {
    guard let python = pythonWithNumPy() else { return }
    let summary = try train(scratch, options, output: "run")
    let script = package.appendingPathComponent("Tests/EndToEndTests/check_model.py").path
    let digits = package.appendingPathComponent("Sources/Datasets/Resources/digits.csv.gz").path
    let program = try succeed([script, scratch.path("run/model.safetensors"), digits], of: python)
    let result = try JSONDecoder().decode(NumPyResult.self, from: Data(program.output.utf8))
    #expect(result.test_accuracy == summary.test_accuracy)
    #expect(abs(result.test_loss - (try #require(summary.test_loss))) < 1e-5)
    #expect(result.parameters_sha256 == summary.parameters_sha256)
  }
}

private struct MetricsLine: Decodable {
  let event: String
  let step: Int
  let epoch: Int
  let examples: Int?
  let seconds: Double?
  let loss: Double?
  let compute_seconds: [String: Double]?
  let test_loss: Double?
  let test_accuracy: Double?
}

private struct NumPyResult: Decodable {
  let test_loss: Double
  let test_accuracy: Double
  let parameters_sha256: String
}
