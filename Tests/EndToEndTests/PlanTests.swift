import Foundation
import Testing

/// `lockstep plan`, and what a run between machines says of the options that keep chunks waiting.
@Suite(.serialized) struct PlanTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let base = ["plan", "--parameters", "1.9e6", "--batch", "1024", "--hosts", "4", "--bandwidth", "100"]

  /// Options that replace those of the base with the same names.
  private func planned(_ options: [String]) throws -> Program {
    var arguments = PlanTests.base
    for index in stride(from: 0, to: options.count, by: 2) {
      if let place = arguments.firstIndex(of: options[index]) {
        arguments[place + 1] = options[index + 1]
      } else {
        arguments += options[index...index + 1]
      }
    }
    return try Program(arguments)
  }

  @Test(arguments: [
    ["--hosts", "0"], ["--hosts", "-1"], ["--hosts", "1.5"], ["--hosts", "1025"],
    ["--bandwidth", "0"], ["--bandwidth", "-100"], ["--bandwidth", "nan"], ["--bandwidth", "inf"],
    ["--bandwidth", "1gbit"], ["--parameters", "0.4"], ["--parameters", "nan"], ["--parameters", "many"],
    ["--batch", "0"], ["--batch", "1e3"], ["--examples-per-second", "0"], ["--examples-per-second", "nan"],
    ["--threads", "0"], ["--precision", "fp8"], ["--clip-norm", "-1"], ["--optimizer", "adm"],
    ["--batch", "3"], ["--micro-batches", "2"], ["--model", "cnn"], ["--data", "digits"],
  ])
  func badValuesAreNamedInOneLine(_ options: [String]) throws {
    let program = try planned(options)
    #expect(program.wait() == 64, "\(program.output)\(program.errors)")
    #expect(program.output.isEmpty)
    let lines = program.errors.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].hasPrefix("error: "), "\(program.errors)")
    #expect(program.errors.contains("\(options[0]) \(options[1])"), "\(program.errors)")
  }

  @Test func hostsAndBandwidthAreNeeded() throws {
    for (option, other) in [("--hosts", ["--bandwidth", "100"]), ("--bandwidth", ["--hosts", "4"])] {
      let program = try Program(["plan", "--parameters", "1e6"] + other)
      #expect(program.wait() == 64)
      #expect(program.errors.hasPrefix("error: \(option) is missing: "), "\(program.errors)")
    }
  }

  @Test func theBatchIsGivenOnce() throws {
    let program = try planned(["--batch-size", "64"])
    #expect(program.wait() == 64)
    #expect(program.errors == "error: --batch 1024: --batch-size says the same; give one\n")
  }

  @Test func aJobFileAndItsModelArePlanned() throws {
    try "model: linear\nbatch-size: 64\nclip-norm: 1\nprecision: bf16\n".write(
      toFile: scratch.path("job.yaml"), atomically: true, encoding: .utf8)
    let program = try Program([
      "plan", "--job", scratch.path("job.yaml"), "--hosts", "2", "--bandwidth", "1000", "--on-nonfinite", "skip",
    ])
    #expect(program.wait() == 0, "\(program.errors)")
    // Ten classes of 64 pixels.
    #expect(program.output.hasPrefix("650 parameters, batch 64 in 8 micro-batches, workers of 1 thread\n"))
    #expect(program.output.contains("three products of 640 multiply-adds an example, at "), "\(program.output)")
    #expect(program.output.contains("because of --clip-norm, --on-nonfinite skip: "), "\(program.output)")
    #expect(!program.output.contains("float32"), "\(program.output)")
  }

  @Test func whatKeepsChunksWaitingIsSaidOfRunsBetweenMachinesAlone() throws {
    let line = "chunks are updated only when all have come, because of --clip-norm\n"
    func said(_ bind: String, _ options: [String]) throws -> String {
      let program = try Program(
        ["coordinator", "--bind", bind, "--insecure", "--advertise", "127.0.0.1", "--steps", "1", "--overwrite"]
          + ["--output", scratch.path("run")] + options)
      #expect(program.waitForOutput("listening on "), "\(program.errors)")
      program.send(SIGTERM)
      #expect(program.wait(seconds: 60) == 128 + SIGTERM, "\(program.errors)")
      return program.output
    }
    let clipped = ["--clip-norm", "1"]
    #expect(try said("tcp://0.0.0.0:0", clipped).contains(line))
    #expect(try !said("tcp://0.0.0.0:0", []).contains("chunks are updated"))
    #expect(try !said("tcp://127.0.0.1:0", clipped).contains("chunks are updated"))
    // A single chunk.
    #expect(try !said("tcp://0.0.0.0:0", clipped + ["--model", "linear"]).contains("chunks are updated"))
  }
}
