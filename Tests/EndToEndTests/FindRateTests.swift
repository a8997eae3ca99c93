import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite(.serialized) struct FindRateTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private struct Record: Decodable {
    struct Step: Decodable, Equatable {
      let learning_rate, loss, smoothed: Double
    }

    let suggestion: Double?
    let has_diverged: Bool
    let steps: [Step]
  }

  private func record(_ folder: String) throws -> Record {
    try JSONDecoder().decode(Record.self, from: Data(scratch.read("\(folder)/find-rate.json").utf8))
  }

  @Test func theSuggestionTrainsAndRepeatsToTheBit() throws {
    let program = try succeed(["find-rate", "--model", "mlp:32", "--output", "one", "--workers", "1"], in: scratch)
    try succeed(["find-rate", "--model", "mlp:32", "--output", "three", "--workers", "3"], in: scratch)
    let (one, three) = try (record("one"), record("three"))
    #expect(one.steps == three.steps && one.suggestion == three.suggestion && one.has_diverged)
    let rate = try #require(one.suggestion)
    #expect(program.output.contains("suggestion: --learning-rate \(rate),"))
    #expect(one.steps[0].learning_rate == 1e-7)
    let found = try train(scratch, ["--model", "mlp:32", "--epochs", "5", "--learning-rate", "\(rate)"])
    #expect((found.test_accuracy ?? 0) > 0.85)

    let html = try scratch.read("one/report.html")
    let parser = XMLParser(data: Data(html.utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(!html.contains("https://") && !html.contains("<script"))
  }

  @Test func aJobFileMayNameARate() throws {
    _ = try train(
      scratch, ["--model", "linear", "--schedule", "cosine", "--warmup", "3", "--epochs", "1"], output: "run")
    try succeed(["find-rate", "--job", "run/job.yaml", "--steps", "30", "--output", "out"], in: scratch)
    let steps = try record("out").steps
    #expect(steps[0].learning_rate == 1e-7 && steps[1].learning_rate > 1.5e-7)
  }

  @Test func aRunThatStopsAtAValueThatIsNotFiniteIsATest() throws {
    try succeed(["find-rate", "--optimizer", "sgd", "--to", "1e12", "--output", "out"], in: scratch)
    let record = try record("out")
    #expect(record.has_diverged && record.steps.count < 100 && record.suggestion != nil)
  }

  @Test(arguments: [
    (["--from", "1", "--to", "0.1"], "--from 1.0: it must be less than --to, 0.1"),
    (["--from", "0"], "--from 0: it must be"),
    (["--to", "1e30"], "--to 1e+30: it may be up to 1e30 times --from, 1e-07"),
    (["--parameter-group", "*.bias: learning-rate 1"], "leave it out of the group"),
    (["--learning-rate", "1"], "--learning-rate 1: the test chooses it; give --from and --to"),
    (["--schedule", "cosine"], "--schedule cosine: the test chooses it"),
    (["--steps", "1"], "a test needs at least two steps"),
    (["--warmup", "3"], "--warmup 3: the test chooses it; give --from and --to"),
    (["--output", "full"], "--output full: there is a test already; replace it by --overwrite"),
    (["--output", "run"], "--output run: there is job.yaml of something else"),
  ])
  func whatMakesNoTestIsRefused(_ arguments: [String], _ message: String) throws {
    for (folder, file) in [("full", "report.html"), ("run", "job.yaml")] {
      try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
      _ = try scratch.file("\(folder)/\(file)", "")
    }
    let program = try Program(["find-rate"] + arguments, in: scratch.url)
    #expect(program.wait() == 64)
    #expect(program.errors.contains(message), "\(program.errors)")
  }
}
