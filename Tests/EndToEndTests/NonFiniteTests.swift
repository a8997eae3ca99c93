import Foundation
import Testing

/// Losses, gradients and parameters that are infinite or not numbers.
@Suite(.serialized) struct NonFiniteTests {
  private let scratch: Scratch
  private let job: [String]

  /// A job on sixty records, of which one has features that no perceptron can bear. An epoch has three steps of five
  /// micro-batches of four.
  init() throws {
    scratch = try Scratch()
    let rows = (0..<60).map { row in
      let features = (0..<24).map { row == 17 ? "3e38" : "\((row * ($0 + 3)) % 7 + $0).5" }
      return (features + ["\(row % 3).5"]).joined(separator: ",")
    }
    let path = try scratch.file("huge.csv", (0..<24).map { "x\($0)," }.joined() + "y\n" + rows.joined(separator: "\n"))
    job = [
      "--data", path, "--scale", "none", "--loss", "mean-squared-error", "--test-fraction", "0", "--model", "mlp:64",
    ]
  }

  private static let cut = ["--batch-size", "20", "--micro-batches", "5"]

  private struct Line: Decodable {
    let event: String
    let step: Int
    let loss: Double?
    let skipped: Bool?
  }

  private func steps(_ folder: String) throws -> [Line] {
    try scratch.read("\(folder)/metrics.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }.filter { $0.event == "step" }
  }

  /// The record's position in the first epoch, as the only skipped one of sixty steps of an example each tells.
  private func position() throws -> Int {
    _ = try train(scratch, job + ["--batch-size", "1", "--epochs", "1", "--on-nonfinite", "skip"], output: "position")
    let skipped = try steps("position").filter { $0.skipped == true }
    try #require(skipped.count == 1)
    return skipped[0].step - 1
  }

  @Test("a run that stops names the step, the micro-batch, the worker and the layer", arguments: [1, 3])
  func stopping(_ workers: Int) throws {
    let position = try position()
    let program = try Program(
      ["train", "--output", scratch.path("run"), "--workers", "\(workers)"] + job + Self.cut)
    #expect(program.wait(seconds: 10) == 1)
    let error = try #require(program.errors.split(separator: "\n").last)
    #expect(
      error.hasPrefix(
        "error: step \(position / 20 + 1): in micro-batch \(position % 20 / 4 + 1) of 5, which worker "), "\(error)")
    #expect(
      error.contains("/")
        && error.contains(") computed, the gradient of 2.bias is not finite, and the step's loss is "),
      "\(error)")
    #expect(error.hasSuffix(": try a smaller --learning-rate, or --scale standard, or --on-nonfinite skip"), "\(error)")
    let summary = try Summary(scratch.path("run"))
    #expect(summary.status == "failed" && summary.steps == position / 20 && summary.skipped_steps == 0)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("run/model.safetensors")))
    // What it leaves are the parameters of the last finite step.
    let before = try train(scratch, job + Self.cut + ["--steps", "\(position / 20)"])
    #expect(before.parameters_sha256 == summary.parameters_sha256)
  }

  @Test("skipping is the same for any number of workers, and is counted", arguments: ["float32", "bf16"])
  func skipping(_ precision: String) throws {
    let position = try position()
    let options = job + Self.cut + ["--epochs", "4", "--on-nonfinite", "skip", "--precision", precision]
    let one = try train(scratch, options + ["--workers", "1"], output: "1")
    let program = try succeed(["train", "--workers", "3", "--output", scratch.path("3")] + options)
    let three = try Summary(scratch.path("3"))
    #expect(one.parameters_sha256 == three.parameters_sha256)
    #expect(one.steps == 12 && one.skipped_steps == 4 && three.skipped_steps == 4)
    #expect(one.examples_seen == 240 && one.train_loss?.isFinite == true)
    let lines = try steps("3")
    #expect(try lines.map(\.loss) == steps("1").map(\.loss))
    #expect(lines.filter { $0.skipped == true }.map(\.step).first == position / 20 + 1)
    #expect(lines.allSatisfy { ($0.loss == nil) == ($0.skipped == true) })
    #expect(program.output.contains("done: 12 steps in "))
    #expect(program.output.contains(" s, 4 of them skipped, "), "\(program.output)")
    let warnings = program.errors.split(separator: "\n")
    #expect(warnings.count == 1 && warnings[0].hasSuffix("the step has no update; further ones are only counted"))
    // A round that is longer than the run ends with its last step, if that has an update.
    let outer = try ["1", "3"].map {
      try train(scratch, options + ["--outer-every", "100", "--workers", $0], output: "outer-\($0)").parameters_sha256
    }
    #expect(outer[0] == outer[1] && (outer[0] == one.parameters_sha256) == (lines.last?.skipped == true))
  }

  @Test func aRunOfNothingButSkippedStepsKeepsItsInitialParameters() throws {
    let initial = try train(scratch, job + ["--steps", "0"])
    let options = ["--batch-size", "60", "--epochs", "3", "--on-nonfinite", "skip"]
    let summary = try train(scratch, job + options)
    #expect(summary.steps == 3 && summary.skipped_steps == 3 && summary.train_loss == nil)
    #expect(summary.parameters_sha256 == initial.parameters_sha256)
  }

  @Test("parameters that one update makes useless are found in the next step", arguments: [1, 3])
  func uselessParameters(_ workers: Int) throws {
    let program = try Program(
      ["train", "--learning-rate", "1e30", "--workers", "\(workers)", "--output", scratch.path("run")])
    #expect(program.wait(seconds: 10) == 1)
    #expect(program.errors.contains("error: step 2: in micro-batch 1 of 8, which worker "), "\(program.errors)")
    #expect(program.errors.contains("the gradient of 4.bias is not finite"), "\(program.errors)")
  }

  @Test("an update whose parameters overflow is not taken", arguments: ["stop", "skip"])
  func parametersThatOverflow(_ policy: String) throws {
    let program = try Program(
      ["train", "--learning-rate", "3e38", "--output", scratch.path("run"), "--on-nonfinite", policy])
    #expect(program.wait(seconds: 10) == 1)
    #expect(program.errors.contains("error: the update of step 1 makes 4.bias not finite: try a smaller"))
    let initial = try train(scratch, ["--steps", "0"])
    #expect(try Summary(scratch.path("run")).parameters_sha256 == initial.parameters_sha256)
  }
}
