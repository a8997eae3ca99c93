import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite(.serialized) struct CompareTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  private func compare(_ arguments: [String], output: String = "out") throws -> (
    code: Int32?, output: String, errors: String
  ) {
    let program = try Program(["compare", "--output", output, "--model", "mlp:16"] + arguments, in: scratch.url)
    let code = program.wait()
    #expect(program.children.isEmpty)
    return (code, program.output, program.errors)
  }

  private func record(_ folder: String = "out") throws -> Record {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Record.self, from: Data(scratch.read("\(folder)/comparison.json").utf8))
  }

  /// The report: well-formed, and in need of nothing from elsewhere.
  private func report(_ folder: String = "out") throws -> String {
    let html = try scratch.read("\(folder)/report.html")
    let parser = XMLParser(data: Data(html.utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(!html.contains("https://") && !html.contains("<script") && !html.contains("@import"))
    #expect(!html.replacing("xmlns=\"http://www.w3.org/2000/svg\"", with: "").contains("http://"))
    return html
  }

  private func rows(_ folder: String = "out") throws -> [[String]] {
    try scratch.read("\(folder)/comparison.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  @Test func runsOfOneJobAreShownEqualInEveryForm() throws {
    let result = try compare(["--workers", "1,2", "--threads", "1,2", "--epochs", "2"])
    try #require(result.code == 0, "\(result.errors)")
    for (index, headline) in ["1 worker of 1 thread", "1 worker of 2 threads", "2 workers of 1 thread"].enumerated() {
      #expect(result.output.contains("[\(index + 1)/4] \(headline): digits (1,438 train"))
    }
    let expected = try train(scratch, ["--model", "mlp:16", "--epochs", "2", "--workers", "3"], output: "alone")
    let hash = expected.parameters_sha256
    #expect(result.output.contains("\n4 runs, the same bits after every epoch: parameters sha256 \(hash)\n"))
    #expect(result.output.contains("a = b = c = d: exactly on each other"))
    #expect(!result.output.contains("\u{1B}"))
    #expect(result.output.split(separator: "\n").count { $0.hasSuffix("yes") } == 4)

    let record = try record()
    #expect(record.command.hasSuffix("compare --output out --model mlp:16 --workers 1,2 --threads 1,2 --epochs 2"))
    #expect(record.error == nil && record.machine.cores > 0 && !record.machine.system.isEmpty)
    #expect(
      record.runs.map(\.name)
        == ["1-workers-1-threads", "1-workers-2-threads", "2-workers-1-threads", "2-workers-2-threads"])
    for run in record.runs {
      #expect(run.status == "completed" && run.equal == true && run.error == nil)
      #expect(run.epochs.map(\.epoch) == [1, 2] && run.epochs[1].parametersSha256 == hash)
      #expect(run.epochs[1].testLoss == expected.test_loss && run.epochs[1].trainLoss == expected.train_loss)
      #expect(run.curve.count == 24)
      let times = try #require(run.secondsPerStep)
      let parts = [times.compute, times.wait, times.sumUpdate, times.transfer]
      #expect(parts.allSatisfy { $0 >= 0 } && abs(parts.reduce(0, +) - times.total) < 1e-9 * times.total)
      #expect(times.compute > 0 && times.sumUpdate > 0 && times.transfer > 0)
      #expect(try Summary(scratch.path(run.folder)).parameters_sha256 == hash)
      #expect(try scratch.read("\(run.folder)/job.yaml") == scratch.read("alone/job.yaml"))
    }
    let rows = try rows()
    #expect(rows.count == 5 && rows.allSatisfy { $0.count == rows[0].count })
    #expect(rows[1...].map { $0[2] + " " + $0[3] } == ["1 1", "1 2", "2 1", "2 2"])
    let report = try report()
    #expect(report.contains("class=\"verdict good\"") && report.contains(hash))
    #expect(report.components(separatedBy: "<svg").count == 6)
  }

  @Test func stepLinesSayWhereTheCoordinatorsTimeWent() throws {
    _ = try train(scratch, ["--epochs", "1"], output: "run")
    struct Line: Decodable {
      let event: String
      let seconds: Double?
      let sum_update_seconds: Double?
      let send_seconds: Double?
    }
    let steps = try scratch.read("run/metrics.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }.filter { $0.event == "step" }
    #expect(steps.count == 12)
    for step in steps {
      let (sum, send) = (try #require(step.sum_update_seconds), try #require(step.send_seconds))
      #expect(sum > 0 && send > 0 && sum + send <= (step.seconds ?? 0) * (1 + 1e-9))
    }
  }

  @Test func aScaledBatchGivesEachNumberOfWorkersItsOwnJob() throws {
    let result = try compare([
      "--workers", "1,2", "--threads", "1,2", "--scale-batch", "--scale-learning-rate", "linear", "--epochs", "1",
    ])
    try #require(result.code == 0, "\(result.errors)")
    let runs = try record().runs
    #expect(runs.map(\.batchSize) == [128, 128, 256, 256] && runs.map(\.microBatches) == [8, 8, 16, 16])
    #expect(runs.map(\.learningRate) == [0.001, 0.001, 0.002, 0.002])
    #expect(runs.map(\.equal) == [true, true, true, true])
    #expect(runs[0].epochs[0].parametersSha256 != runs[2].epochs[0].parametersSha256)
    let alone = try train(
      scratch,
      [
        "--model", "mlp:16", "--epochs", "1", "--batch-size", "256", "--micro-batches", "16", "--learning-rate",
        "0.002",
      ])
    #expect(runs[2].epochs[0].parametersSha256 == alone.parameters_sha256)
    let single = try compare(["--workers", "1,2", "--scale-batch", "--steps", "2"], output: "single")
    #expect(single.code == 0)
    #expect(try record("single").runs.map(\.equal) == [nil, nil])
  }

  @Test func aRegressionIsShownByItsLossAndR2() throws {
    let text = (0..<200).map { "\(Double($0 * 37 % 100) / 10),\(Double($0 * 37 % 100) / 5 + 0.5)" }
    _ = try scratch.file("line, straight.csv", "a,y\n" + text.joined(separator: "\n"))
    let result = try compare(["--data", "line, straight.csv", "--workers", "1,2", "--epochs", "2"])
    try #require(result.code == 0, "\(result.errors)")
    #expect(result.output.contains(" R² ") && result.output.contains("train loss (mean-squared-error)"))
    let report = try report()
    #expect(report.contains("test R²") && report.contains("Loss by epoch") && !report.contains("accuracy"))
    let lossOnly = try compare(
      ["--data", "line, straight.csv", "--test-fraction", "0", "--workers", "1", "--epochs", "1", "--overwrite"])
    #expect(lossOnly.code == 0)
    let table = try #require(lossOnly.output.split(separator: "───").last)
    #expect(!table.contains("test") && !table.contains("accuracy"))
    let row = Dictionary(uniqueKeysWithValues: zip(try rows()[0], try rows()[1]))
    #expect(row["train_loss"] != "" && row["test_loss"] == "" && row["test_r2"] == "" && row["train_r2"] == "")
  }

  @Test func aRunThatFailsLeavesTheOthers() throws {
    // RMSprop's first step is √10 times as large as Adam's.
    let result = try compare(
      [
        "--optimizers", "rmsprop,adam", "--model", "mlp:256,128", "--workers", "1,2", "--steps", "4", "--learning-rate",
        "1e11",
      ])
    #expect(result.code == 1)
    let last = try #require(result.errors.split(separator: "\n").last)
    #expect(last.hasPrefix("error: 2 of 4 runs failed: rmsprop, 1 worker: step 2: in micro-batch "))
    let runs = try record().runs
    #expect(runs.map(\.status) == ["failed", "failed", "completed", "completed"])
    #expect(runs.map(\.equal) == [nil, nil, true, true])
    #expect(try #require(runs[1].error).contains("step 2: in micro-batch "))
    #expect(result.output.contains("rmsprop, 2 workers failed: step 2: in micro-batch "))
    let report = try report()
    #expect(report.contains("class=\"verdict bad\"") && report.contains("2 of 4 runs completed, 2 failed"))
    #expect(report.contains("rmsprop, 2 workers failed: step 2: in micro-batch "))
  }

  @Test func everyOptimizerIsRunAndRanked() throws {
    let result = try compare(
      ["--optimizers", "all", "--workers", "1", "--steps", "6", "--batch-size", "100", "--beta1", "0.8"])
    try #require(result.code == 0, "\(result.errors)")
    let record = try record()
    #expect(record.runs.count == 21 && record.runs.allSatisfy { $0.status == "completed" })
    #expect(record.runs.map(\.batchSize) == [1438] + Array(repeating: 100, count: 20))
    let state = Dictionary(uniqueKeysWithValues: record.runs.map { ($0.name, $0.stateBytesPerParameter) })
    #expect(state["sgd-1-workers"] == 0 && state["rmsprop-1-workers"] == 4 && state["adam-1-workers"] == 8)
    #expect(
      try state["schedule-free-1-workers"] == 12 && (4.01..<5).contains(#require(state["adafactor-1-workers"])))
    let ranking = try #require(record.ranking)
    #expect(ranking.steps == 6 && ranking.rows.count == 21 && ranking.seconds > 0)
    #expect(ranking.rows.map(\.rankAtEqualSteps).first == 1)
    for (row, next) in zip(ranking.rows, ranking.rows.dropFirst()) {
      #expect(try #require(row.lossAtEqualSteps) <= #require(next.lossAtEqualSteps))
    }
    for row in ranking.rows {
      let run = try #require(record.runs.first { $0.name == "\(row.optimizer)-1-workers" })
      #expect(row.lossAtEqualSteps == run.curve.last?.loss)
    }
    #expect(record.notes.contains { $0.hasPrefix("--batch-size goes to all but gradient-descent") })
    #expect(
      record.notes.contains { $0.hasPrefix("--beta1 goes to all but gradient-descent, sgd") }, "\(record.notes)")
    for note in record.notes { #expect(result.output.contains(note)) }
    let alone = try train(
      scratch, ["--model", "mlp:16", "--optimizer", "adam", "--steps", "6", "--batch-size", "100", "--beta1", "0.8"])
    #expect(try Summary(scratch.path("out/adam-1-workers")).parameters_sha256 == alone.parameters_sha256)
    let report = try report()
    #expect(report.contains("The optimizers by train loss") && report.contains("state bytes"))
    let rows = try rows()
    #expect(rows.allSatisfy { $0.count == rows[0].count } && rows[0].contains("rank_at_equal_time"))
  }

  @Test func aRunInTheMiddleWhoseFolderCannotBeMadeLeavesTheOthers() throws {
    try FileManager.default.createDirectory(
      at: scratch.url.appendingPathComponent("out"), withIntermediateDirectories: true)
    _ = try scratch.file("out/2-workers", "")
    let result = try compare(["--workers", "1,2,3", "--steps", "2"])
    #expect(result.code == 1 && result.errors.contains("error: 1 of 3 runs failed: 2 workers: --output out/2-workers"))
    #expect(try record().runs.map(\.status) == ["completed", "failed", "completed"])
    #expect(try record().runs.map(\.equal) == [true, nil, true])
  }

  @Test(
    "options that make no sense",
    arguments: [
      (["--workers", "1,x"], "--workers '1,x': 'x' is no whole number from 1 to 1024"),
      (["--workers", "0"], "--workers '0': '0' is no whole number"),
      (["--workers", ""], "--workers: a value is needed"),
      (["--workers", "1,,2"], "--workers '1,,2': '' is no whole"),
      (["--workers", "1025"], "'1025' is no whole number"),
      (["--workers", "99999999999999999999"], "is no whole number from 1 to 1024"),
      (["--workers", "1,-2"], "'-2' is no whole number"),
      (["--workers", "1,2,1"], "--workers '1,2,1': 1 is given twice"),
      (["--workers", "1.5"], "'1.5' is no whole number"), (["--threads", "2,0"], "--threads '2,0': '0' is no whole"),
      (["--threads", "2,02"], "--threads '2,02': 2 is given twice"),
      (
        ["--optimizers", "adam,sgdd"],
        "--optimizers 'adam,sgdd': unknown optimizer 'sgdd'; known are gradient-descent, sgd"
      ),
      (["--optimizers", "adam,adam"], "adam is given twice"),
      (["--optimizers", ""], "--optimizers: a value is needed"),
      (["--optimizers", "adam", "--optimizer", "adam"], "--optimizer adam and --optimizers adam exclude each other"),
      (["--optimizers", "sgd,rmsprop", "--beta1", "0.5"], "--beta1 does not go with --optimizer sgd"),
      (["--optimizers", "all,adam"], "'all' means every rule; give it alone"),
      (["--scale-learning-rate", "linear"], "--scale-learning-rate needs --scale-batch"),
      (["--scale-batch", "--scale-learning-rate", "cubic"], "known are linear, sqrt"),
      (
        ["--scale-batch", "--workers", "1,12"], "--scale-batch for 12 workers: --batch-size 1536: the training part has"
      ),
      (["--batch-size", "0"], "--batch-size 0: a whole number from 1"),
      (["--optimizer", "sgdd"], "unknown optimizer; known are gradient-descent, sgd"),
    ])
  func usage(_ arguments: [String], _ message: String) throws {
    let result = try compare(arguments)
    #expect(result.code == 64, "\(result.errors)")
    let lines = result.errors.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].hasPrefix("error: ") && lines[0].contains(message), "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  @Test func anOutputThatCannotBeWrittenIsFoundBeforeTheFirstRun() throws {
    _ = try scratch.file("file", "")
    let result = try compare(["--workers", "1"], output: "file/out")
    #expect(result.code == 1 && result.output.isEmpty)
    #expect(result.errors.hasPrefix("error: --output file/out: cannot make the folder file/out: "), "\(result.errors)")
    let system = try compare(["--workers", "1"], output: "/proc")
    #expect(system.code == 1 && system.output.isEmpty && system.errors.hasPrefix("error: "), "\(system.errors)")
  }

  @Test func aSecondComparisonReplacesTheFirstOnlyIfItIsToldTo() throws {
    #expect(try compare(["--workers", "1,2", "--steps", "2"]).code == 0)
    let before = try scratch.read("out/comparison.json")
    let refused = try compare(["--workers", "2", "--steps", "3"])
    #expect(refused.code == 64 && refused.output.isEmpty)
    #expect(
      refused.errors
        == "error: --output out: there is a comparison already; replace it and its runs by --overwrite, or choose another folder\n"
    )
    #expect(try scratch.read("out/comparison.json") == before && Summary(scratch.path("out/1-workers")).steps == 2)
    #expect(try compare(["--workers", "2", "--steps", "3", "--overwrite"]).code == 0)
    #expect(try record().runs.map(\.name) == ["2-workers"] && rows().count == 2)
    #expect(try Summary(scratch.path("out/2-workers")).steps == 3)
    #expect(try compare(["--workers", "2", "--data", "nowhere.csv", "--overwrite"]).code == 1)
    for name in ["report.html", "comparison.json", "comparison.csv"] {
      #expect(!FileManager.default.fileExists(atPath: scratch.path("out/\(name)")), "\(name)")
    }
  }

  @Test("a signal ends the present run and leaves a report of what is there", arguments: [SIGINT, SIGTERM])
  func signal(_ signal: Int32) throws {
    let program = try Program(
      ["compare", "--output", "out", "--workers", "1,2,3", "--epochs", "1000000", "--model", "linear"], in: scratch.url)
    try #require(program.waitForOutput("[1/3]") && program.waitForOutput("epoch "))
    program.send(signal)
    #expect(program.wait(seconds: 20) == 128 + signal)
    let name = signal == SIGINT ? "SIGINT" : "SIGTERM"
    #expect(program.errors.split(separator: "\n").last == "error: interrupted by \(name)")
    #expect(!program.output.contains("[2/3]") && program.children.isEmpty)
    let runs = try record().runs
    #expect(runs.map(\.status) == ["failed", "not run", "not run"] && runs[0].error == "interrupted by \(name)")
    #expect(!runs[0].curve.isEmpty && !runs[0].epochs.isEmpty)
    #expect(try report().contains("0 of 3 runs completed, 1 failed, 2 not run"))
  }
}

/// `comparison.json`.
private struct Record: Decodable {
  struct Machine: Decodable {
    let cores: Int
    let processor: String
    let system: String
  }

  struct Epoch: Decodable {
    let epoch: Int
    let parametersSha256: String
    let trainLoss: Double?
    let testLoss: Double?
  }

  struct Times: Decodable {
    let total: Double
    let compute: Double
    let wait: Double
    let sumUpdate: Double
    let transfer: Double
  }

  struct Point: Decodable {
    let step: Double
    let seconds: Double
    let loss: Double
  }

  struct Run: Decodable {
    let name: String
    let folder: String
    let workers: Int
    let batchSize: Int
    let microBatches: Int
    let learningRate: Double
    let stateBytesPerParameter: Double
    let status: String
    let error: String?
    let equal: Bool?
    let epochs: [Epoch]
    let secondsPerStep: Times?
    let curve: [Point]
  }

  let command: String
  let error: String?
  let machine: Machine
  let runs: [Run]
  let notes: [String]
  let ranking: Ranking?

  struct Ranking: Decodable {
    struct Row: Decodable {
      let optimizer: String
      let lossAtEqualSteps: Double?
      let rankAtEqualSteps: Int?
    }

    let steps: Int
    let seconds: Double
    let rows: [Row]
  }
}
