import Foundation
import Testing

@Suite(.serialized) struct TraceTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  @Test func aPictureAndATableComeOfIt() throws {
    let program = try succeed(
      ["trace", "--function", "beale", "--optimizers", "all", "--steps", "200", "--beta1", "0.8"], in: scratch)
    let svg = try scratch.read("trace-beale.svg")
    #expect(svg.hasPrefix("<?xml") && svg.contains("Beale’s function") && !svg.contains("https://"))
    let lines = program.output.split(separator: "\n")
    #expect(lines[0] == "beale, 200 steps from (1.0, 1.5)" && lines.last == "picture: trace-beale.svg")
    #expect(lines.count == 3 + 21 + 2)
    for name in ["sgd", "lamb", "lars", "lion", "blend"] {
      #expect(lines.contains { $0.hasPrefix("\(name) ") } && svg.contains(">\(name)</text>"))
    }
    #expect(lines[lines.count - 2].hasPrefix("--beta1 goes to all but gradient-descent, sgd, "), "\(lines)")
    let again = try succeed(
      ["trace", "--function", "beale", "--optimizers", "all", "--steps", "200", "--beta1", "0.8", "--output", "b.svg"],
      in: scratch)
    #expect(try again.output.contains("picture: b.svg") && scratch.read("b.svg") == svg)
  }

  @Test func theRateAndTheStartAreThoseGiven() throws {
    let program = try succeed(
      [
        "trace", "--function", "quadratic", "--optimizers", "sgd,adam", "--learning-rate", "0.5", "--start=-1,0.5",
        "--steps", "30", "--schedule", "cosine", "--output", "q.svg",
      ], in: scratch)
    #expect(program.output.contains("quadratic, 30 steps from (-1.0, 0.5)"))
    let rows = program.output.split(separator: "\n").filter { $0.hasPrefix("sgd ") || $0.hasPrefix("adam ") }
    #expect(rows.count == 2 && rows.allSatisfy { $0.contains(" 0.5 ") })
    #expect(try rows[1].contains("∞ at step ") && scratch.read("q.svg").contains("sgd → ∞"))
  }

  @Test(
    "options that make no sense",
    arguments: [
      (["--function", "sphere"], "--function 'sphere': known are rosenbrock, beale, quadratic"),
      (
        ["--optimizers", "adam,sgdd"], "--optimizers 'adam,sgdd': unknown optimizer 'sgdd'; known are gradient-descent"
      ),
      (["--optimizers", "adam,all"], "'all' means every rule; give it alone"),
      (["--optimizers", "adam,adam"], "adam is given twice"), (["--optimizers", ""], "unknown optimizer ''"),
      (["--steps", "0"], "--steps '0': a whole number from 1 to 100000"),
      (["--steps", "1e3"], "a whole number from 1"),
      (["--start", "1"], "--start '1': two numbers"), (["--start", "1,x"], "--start '1,x': two numbers"),
      (["--start", "nan,1"], "two numbers"), (["--start", "1,2,3"], "two numbers"),
      (["--start", "1e9,0"], "two numbers from -1000 to 1000"),
      (["--learning-rate", "-1"], "--learning-rate -1.0: for sgd it must be above 0"),
      (["--learning-rate", "x"], "--learning-rate x: it must be above 0"),
      (["--optimizers", "sgd,momentum", "--beta1", "0.5"], "--beta1 does not go with --optimizer sgd; it belongs to"),
      (["--optimizers", "sgd,rmsprop", "--schedule", "hypergradient"], "--schedule hypergradient goes with"),
      (["--schedule-power", "2"], "--schedule-power does not go with --schedule constant"),
      (["--option", "x=1"], "--option x=1: unknown option"), (["--output", ""], "--output: a value is needed"),
    ])
  func usage(_ arguments: [String], _ message: String) throws {
    let program = try Program(["trace"] + arguments, in: scratch.url)
    #expect(program.wait() == 64, "\(program.errors)")
    let lines = program.errors.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].hasPrefix("error: ") && lines[0].contains(message), "\(program.errors)")
    #expect(try program.output.isEmpty && FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
  }

  @Test func aFileThatCannotBeWrittenIsAnError() throws {
    let program = try Program(["trace", "--output", "nowhere/t.svg"], in: scratch.url)
    #expect(program.wait() == 1 && program.output.isEmpty)
    #expect(program.errors.hasPrefix("error: cannot write nowhere/t.svg: No such file"), "\(program.errors)")
  }
}
