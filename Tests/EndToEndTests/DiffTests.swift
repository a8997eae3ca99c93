import Foundation
import Testing

@Suite(.serialized) struct DiffTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  private func diff(_ first: String, _ second: String) throws -> (code: Int32?, output: String, errors: String) {
    let program = try Program(["diff", first, second], in: scratch.url)
    let code = program.wait(seconds: 10)
    return (code, program.output, program.errors)
  }

  @Test func runsOfOneJobAreEqual() throws {
    _ = try train(scratch, ["--epochs", "1", "--workers", "1"], output: "a")
    _ = try train(scratch, ["--epochs", "1", "--workers", "3"], output: "b")
    let runs = try diff("a", "b")
    #expect(runs.code == 0 && runs.output == "equal: the losses of 12 steps and 50,826 values, bit for bit\n")
    let models = try diff("a/model.safetensors", "b/model.safetensors")
    #expect(models.code == 0 && models.output == "equal: 50,826 values, bit for bit\n")
  }

  @Test func theFirstStepThatDiffersIsNamed() throws {
    _ = try train(scratch, ["--epochs", "2", "--model", "linear"], output: "a")
    // The first losses come before any update; other rules part at the second.
    _ = try train(scratch, ["--epochs", "2", "--model", "linear", "--optimizer", "rmsprop"], output: "b")
    let runs = try diff("a", "b")
    #expect(runs.code == 1)
    #expect(runs.output.hasPrefix("the losses part at epoch 1, step 2: "))
    #expect(runs.output.contains("0.weight: ") && runs.output.contains(" of 640 values differ, by at most "))
    #expect(runs.output.contains("0.bias: 10 of 10 values differ"))
  }

  @Test func aLongerRunIsToldFromADifferentOne() throws {
    _ = try train(scratch, ["--steps", "5", "--model", "linear"], output: "a")
    _ = try train(scratch, ["--steps", "7", "--model", "linear"], output: "b")
    let runs = try diff("a", "b")
    #expect(runs.code == 1 && runs.output.hasPrefix("the losses are equal as far as both go: 5 steps and 7\n"))
  }

  @Test func otherTensorsAreNamed() throws {
    _ = try train(scratch, ["--steps", "0", "--model", "linear"], output: "a")
    _ = try train(scratch, ["--steps", "0", "--model", "mlp:5"], output: "b")
    let models = try diff("a", "b/model.safetensors")
    #expect(models.code == 1)
    #expect(
      models.output
        == "0.bias: [10] and [5]\n0.weight: [10, 64] and [5, 64]\n2.bias: only in b/model.safetensors\n2.weight: only in b/model.safetensors\n"
    )
  }

  @Test func whatIsNoRunIsNamed() throws {
    let missing = try diff("nowhere", "elsewhere")
    #expect(missing.code == 1 && missing.errors == "error: nowhere: no such file or folder\n")
    _ = try scratch.file("x.safetensors", "junk")
    let junk = try diff("x.safetensors", "x.safetensors")
    #expect(junk.code == 1 && junk.errors.hasPrefix("error: x.safetensors is not a safetensors file"))
  }
}
