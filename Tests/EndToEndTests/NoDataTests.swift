import Foundation
import Testing

/// `--data none`: a model that is a function of its parameters alone.
@Suite(.serialized) struct NoDataTests {
  private let scratch: Scratch
  private static let quadratic = ["--data", "none", "--model", "quadratic:10,10"]

  init() throws {
    scratch = try Scratch()
  }

  @Test("workers do not change a bit, and the known minimum is found", arguments: [1, 5])
  func workers(_ microBatches: Int) throws {
    let options =
      Self.quadratic + ["--steps", "300", "--learning-rate", "0.05", "--micro-batches", "\(microBatches)"]
    let one = try train(scratch, options + ["--workers", "1"], output: "1")
    let three = try train(scratch, options + ["--workers", "3"], output: "3")
    #expect(one.parameters_sha256 == three.parameters_sha256)
    #expect(try #require(one.train_loss) < 1e-6 && one.test_loss == nil)
    #expect(one.steps == 300 && one.epochs == 300 && one.examples_seen == 300 * microBatches)
    #expect(one.parameter_count == 100)
    let again = try train(scratch, ["--job", scratch.path("1/job.yaml")], output: "again")
    #expect(again.parameters_sha256 == one.parameters_sha256)
    #expect(try scratch.read("again/job.yaml") == scratch.read("1/job.yaml"))
  }

  @Test func theFirstLossIsTheMeanSquareOfANormal() throws {
    let summary = try train(scratch, ["--data", "none", "--model", "quadratic:10000", "--steps", "1"])
    #expect(abs(try #require(summary.train_loss) - 1) < 0.05)
  }

  @Test func thereIsNothingToEvaluateOn() throws {
    try succeed(["train", "--steps", "0", "--output", scratch.path("run")] + Self.quadratic)
    let model = scratch.path("run/model.safetensors")
    for options in [[], ["--data", "digits"]] {
      let program = try Program(["evaluate", "--model", model] + options)
      #expect(program.wait(seconds: 10) == 1)
      #expect(program.errors == "error: \(model) was trained with --data none: there is nothing to evaluate it on\n")
    }
  }

  @Test(
    "what needs data is refused by name",
    arguments: [
      ["--data", "none"], ["--data", "none", "--model", "linear"], ["--model", "quadratic:3"],
      quadratic + ["--batch-size", "3"], quadratic + ["--label", "y"], quadratic + ["--test", "t.csv"],
      quadratic + ["--test-fraction", "0.1"], quadratic + ["--scale", "unit"],
    ])
  func refusals(_ options: [String]) throws {
    let program = try Program(["train"] + options, in: scratch.url)
    let code = program.wait(seconds: 10)
    #expect(code == 64 || code == 1)
    #expect(program.errors.hasPrefix("error: ") && program.errors.contains("none"), "\(program.errors)")
    #expect(program.errors.contains(options.count > 4 ? options[4] : "--model"), "\(program.errors)")
  }
}
