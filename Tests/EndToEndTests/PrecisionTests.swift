import Foundation
import Testing

/// Runs in bf16.
@Suite(.serialized) struct PrecisionTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// Leaves of sums that are rounded, and of ones that are not.
  @Test("a run is what NumPy makes of it, bit for bit", arguments: [1, 4, 7, 13])
  func isTheDefinition(leaves: Int) throws {
    guard let python = pythonWithNumPy() else { return }
    let job = [
      "--data", "none", "--model", "quadratic:7,11", "--optimizer", "sgd", "--learning-rate", "0.3", "--micro-batches",
      "\(leaves)", "--precision", "bf16",
    ]
    _ = try train(scratch, job + ["--steps", "0"], output: "initial")
    let script = package.appendingPathComponent("Tests/EndToEndTests/bf16_run.py").path
    for options in [["--workers", "1"], ["--workers", "3", "--transport", "zmq"]] {
      let output = options.joined()
      _ = try train(scratch, job + ["--steps", "40"] + options, output: output)
      let models = ["initial", output].map { scratch.path("\($0)/model.safetensors") }
      let check = try Program([script] + models + ["40", "\(leaves)", "0.3"], of: python)
      #expect(check.wait() == 0, "\(options): \(check.errors)")
      #expect(check.output == "77 parameters are the same, bit for bit\n")
    }
  }

  @Test func theJobSaysThePrecisionAndADifferentOneIsAnotherRun() throws {
    let job = ["--model", "linear", "--steps", "5"]
    let rounded = try train(scratch, job + ["--precision", "bf16"], output: "rounded")
    #expect(try scratch.read("rounded/job.yaml").contains("\nprecision: bf16\n"))
    let again = try train(scratch, ["--job", scratch.path("rounded/job.yaml"), "--workers", "2"])
    #expect(again.parameters_sha256 == rounded.parameters_sha256)
    let plain = try train(scratch, job, output: "plain")
    #expect(try scratch.read("plain/job.yaml").contains("\nprecision: float32\n"))
    #expect(plain.parameters_sha256 != rounded.parameters_sha256)
    let explicit = try train(scratch, job + ["--precision", "float32"])
    #expect(plain.parameters_sha256 == explicit.parameters_sha256)
  }

  /// Lion moves every parameter by the learning rate: to a float32, which is beyond the largest bf16.
  @Test("parameters that overflow where they are rounded are not taken", arguments: ["float32", "bf16"])
  func parametersThatOverflow(_ precision: String) throws {
    let program = try Program([
      "train", "--output", scratch.path("run"), "--optimizer", "lion", "--learning-rate", "3.4e38", "--model", "linear",
      "--steps", "2", "--precision", precision,
    ])
    #expect(program.wait(seconds: 20) == 1)
    let error = precision == "bf16" ? "error: the update of step 1 makes 0.bias not finite: try" : "error: step 2: "
    #expect(program.errors.contains(error), "\(program.errors)")
  }
}
