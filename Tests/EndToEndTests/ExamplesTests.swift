import Foundation
import Testing

/// The jobs under Examples, run as the guide has them.
@Suite(.serialized) struct ExamplesTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  /// Job files name their data from the package's folder.
  private func run(_ job: String, _ more: [String] = [], output: String = "run") throws -> Summary {
    let program = try Program(
      ["train", "--job", "Examples/\(job)", "--output", scratch.path(output)] + more, in: package)
    #expect(program.wait(seconds: 120) == 0, "\(program.errors)")
    return try Summary(scratch.path(output))
  }

  @Test(
    "linear regression reaches the closed form's training loss within 1%",
    arguments: ["gradient-descent", "rmsprop", "adam"])
  func linearRegression(_ rule: String) throws {
    // From Examples/linear-regression/least-squares.py.
    let leastSquares = 2859.6963
    let loss = try #require(run("linear-regression/\(rule).yaml").train_loss)
    #expect(loss >= leastSquares * 0.999999 && loss <= leastSquares * 1.01)
  }

  @Test("a small perceptron learns noise", arguments: ["adam", "rmsprop", "blend"])
  func noise(_ rule: String) throws {
    let summary = try run("relu-regression/job.yaml", ["--optimizer", rule])
    #expect(summary.parameter_count == 11 * 10 + 11 * 10 + 11)
    #expect(summary.steps == 3200)
    // The targets' variance is about 1.
    #expect(try #require(summary.train_loss) < 0.93)
  }

  @Test func fashion() throws {
    let summary = try run("fashion-mnist/job.yaml", ["--epochs", "1"])
    #expect(summary.steps == 1875)
    #expect(try #require(summary.test_accuracy) > 0.8)
  }

  @Test("the quadratic ends where float64 ends", arguments: ["adam", "adadelta"])
  func quadratic(_ rule: String) throws {
    let summary = try run("quadratic/\(rule).yaml")
    #expect(summary.steps == 1000 && summary.parameter_count == 100)
    _ = try run("quadratic/\(rule).yaml", ["--steps", "0"], output: "start")
    guard let python = pythonWithNumPy() else { return }
    let script = package.appendingPathComponent("Examples/quadratic/check.py").path
    let check = try Program([script, rule, scratch.path("start"), scratch.path("run")], of: python)
    #expect(check.wait() == 0, "\(check.output) \(check.errors)")
  }

  @Test func anUpdateRuleOfOnesOwnGetsTheSameCommands() throws {
    let arguments = [
      "train", "--optimizer", "sign-momentum", "--momentum", "0.8", "--option", "dead-zone=1e-5", "--epochs", "5",
    ]
    var hashes: [String] = []
    for workers in ["1", "3"] {
      try succeed(
        arguments + ["--workers", workers, "--output", scratch.path(workers)], of: "custom-optimizer")
      let summary = try Summary(scratch.path(workers))
      #expect(try #require(summary.test_accuracy) > 0.9)
      hashes.append(summary.parameters_sha256)
    }
    #expect(hashes[0] == hashes[1])
    #expect(try scratch.read("1/job.yaml").contains("dead-zone: 1e-05"))
    let list = try succeed(["optimizers"], of: "custom-optimizer")
    #expect(list.output.contains("--dead-zone 0"))
    let wrong = try Program(
      ["train", "--optimizer", "sign-momentum", "--option", "dead-zone=-1"], of: "custom-optimizer")
    #expect(wrong.wait() == 64)
    #expect(wrong.errors.contains("--dead-zone -1"), "\(wrong.errors)")
  }
}
