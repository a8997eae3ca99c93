import Datasets
import Foundation
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Protocol
@testable import Reports
@testable import Runs
@testable import Schema

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ComparisonTests {
  /// A run that trained `examples` in each of its epochs, in a second a step.
  static func run(
    _ configuration: RunConfiguration, hashes: [String] = ["a", "b"], examples: Int = 100,
    outcome: Comparison.Outcome = .completed, folder: String? = nil
  ) throws -> Comparison.Run {
    let job = Job(
      data: DataSelection("digits", ["scale": "standard"]), model: "linear",
      modelOptions: OptionValues(["loss": "cross-entropy"]),
      optimizer: try OptimizerSettings(configuration.optimizer ?? "adam", given: [:]), batchSize: 128, microBatches: 8,
      length: .epochs(2), seed: 0)
    var run = Comparison.Run(
      configuration: configuration, job: job, folder: folder ?? "out/\(configuration.name)", outcome: outcome)
    guard outcome != .notRun else { return run }
    var history = RunHistory()
    var summary = RunSummary()
    history.add(.workerJoined(name: "w", number: 1, threads: 2, count: 1), at: 0)
    for (step, hash) in hashes.enumerated() {
      let report = StepReport(
        step: step + 1, epoch: step + 1, examples: examples, weight: Double(examples),
        sums: [Double(examples) * 2 / Double(step + 1), Double(examples) * 0.5], seconds: 1,
        computeSeconds: [WorkerSeconds(worker: 1, seconds: 0.8)],
        sumUpdateSeconds: 0.1, sendSeconds: 0.2)
      history.add(.step(report), at: Double(step))
      (summary.epochs, summary.steps) = (step + 1, step + 1)
      history.endEpoch(summary, parametersSHA256: hash)
    }
    summary.parametersSHA256 = hashes.last
    (summary.test, summary.seconds) = (["loss": 0.25, "accuracy": 0.9], 2.5)
    run.history = history
    run.summary = summary
    return run
  }

  static func comparison(_ runs: [Comparison.Run]) -> Comparison {
    Comparison(runs: runs, figures: CrossEntropy().metrics.figures, parts: [.test])
  }

  private func workers(_ count: Int, threads: Int = 1, optimizer: String? = nil) -> RunConfiguration {
    RunConfiguration(
      optimizer: optimizer, workers: count, threads: threads, optimizers: optimizer == nil ? [] : ["adam", "rmsprop"])
  }

  @Test func theGridGoesThroughOptimizersThenWorkersThenThreads() {
    let grid = ComparisonGrid(optimizers: ["adam", "rmsprop"], workers: [1, 2], threads: [1, 3])
    #expect(
      grid.configurations.map(\.name) == [
        "adam-1-workers-1-threads", "adam-1-workers-3-threads", "adam-2-workers-1-threads", "adam-2-workers-3-threads",
        "rmsprop-1-workers-1-threads", "rmsprop-1-workers-3-threads", "rmsprop-2-workers-1-threads",
        "rmsprop-2-workers-3-threads",
      ])
    #expect(grid.configurations[3].label == "adam, 2 workers of 3 threads")
    #expect(
      ComparisonGrid(optimizers: ["adam"], workers: [4], threads: [2]).configurations.map(\.name) == ["4-workers"])
  }

  @Test func aScaledBatchIsAJobOfItsOwnForEachNumberOfWorkers() throws {
    let grid = ComparisonGrid(workers: [1, 4], threads: [1, 2], scalesBatch: true, learningRateScaling: .sqrt)
    let configurations = grid.configurations
    #expect(configurations.map(\.batchFactor) == [1, 1, 4, 4])
    #expect(configurations.map(\.learningRateFactor) == [1, 1, 2, 2])
    #expect(configurations[2].hasSameJob(as: configurations[3]))
    #expect(!configurations[0].hasSameJob(as: configurations[2]))
    let data = try LoadedData(DataSelection("digits"), for: LoadedData.Purpose(classify: nil), seed: 0)
    let job = try configurations[3].options(JobOptions(), data).resolve(data)
    #expect(job.batchSize == 512 && job.microBatches == 32 && job.optimizer.learningRate == 0.002)
    #expect(throws: OptionError.self) {
      try RunConfiguration(optimizer: nil, workers: 12, threads: 1, batchFactor: 12).options(JobOptions(), data)
    }
  }

  @Test func equalRunsAreSaidToBeEqual() throws {
    let comparison = ComparisonTests.comparison(try [1, 2, 4].map { try ComparisonTests.run(workers($0)) })
    #expect((0..<3).map(comparison.isEqual) == [true, true, true])
    #expect(comparison.failure == nil)
    #expect(comparison.verdict == ["3 runs, the same bits after every epoch: parameters sha256 b"])
    #expect(ComparisonTable(comparison).rows.map(\.last) == ["yes", "yes", "yes"])
  }

  @Test func unequalRunsAreNamedWithTheirFirstDifference() throws {
    let comparison = ComparisonTests.comparison([
      try ComparisonTests.run(workers(1), hashes: ["a", "b", "c"]),
      try ComparisonTests.run(workers(2), hashes: ["a", "x", "c"], folder: "my out/2-workers"),
      try ComparisonTests.run(workers(3), hashes: ["a", "b", "c"]),
    ])
    #expect((0..<3).map(comparison.isEqual) == [true, false, true])
    #expect(
      comparison.differences == [.init(first: "out/1-workers", second: "my out/2-workers", epoch: 2)])
    let failure = try #require(comparison.failure)
    #expect(failure.contains("out/1-workers and my out/2-workers are not the same bits: they part at epoch 2"))
    #expect(failure.contains("`lockstep diff out/1-workers 'my out/2-workers'`"))
    #expect(ComparisonTable(comparison).rows.map(\.last) == ["yes", "NO", "yes"])
    #expect(comparison.verdict.count == 2 && comparison.verdict[1].hasPrefix("2 runs, the same bits"))
  }

  @Test func aRunOfFewerEpochsOrOtherLastParametersIsNotEqual() throws {
    let short = ComparisonTests.comparison([
      try ComparisonTests.run(workers(1), hashes: ["a", "b"]), try ComparisonTests.run(workers(2), hashes: ["a"]),
    ])
    #expect(short.differences.map(\.epoch) == [2])
    var last = try ComparisonTests.run(workers(2))
    last.summary?.parametersSHA256 = "other"
    let other = ComparisonTests.comparison([try ComparisonTests.run(workers(1)), last])
    #expect(other.differences.map(\.epoch) == [nil])
    #expect(try #require(other.failure).contains("differ in their last parameters"))
  }

  @Test func failedRunsAreLeftOutAndTheFirstCompletedOneIsTheReference() throws {
    let comparison = ComparisonTests.comparison([
      try ComparisonTests.run(workers(1), hashes: ["x"], outcome: .failed("the disk is full")),
      try ComparisonTests.run(workers(2)), try ComparisonTests.run(workers(4)),
      try ComparisonTests.run(workers(8), outcome: .notRun),
    ])
    #expect((0..<4).map(comparison.isEqual) == [nil, true, true, nil])
    #expect(comparison.differences.isEmpty)
    #expect(comparison.failure == "1 of 4 runs failed: 1 worker: the disk is full")
    #expect(comparison.verdict.first == "2 of 4 runs completed, 1 failed, 1 not run")
    #expect(ComparisonTable(comparison).rows.map(\.last) == ["failed", "yes", "yes", "not run"])
    #expect(ComparisonTable(comparison).failures == ["1 worker failed: the disk is full"])
    #expect((0..<4).map(comparison.speedUp) == [nil, 1, 1, nil])
  }

  @Test func otherOptimizersAreOtherJobs() throws {
    let comparison = ComparisonTests.comparison([
      try ComparisonTests.run(workers(1, optimizer: "adam")),
      try ComparisonTests.run(workers(1, optimizer: "rmsprop"), hashes: ["x", "y"]),
    ])
    #expect((0..<2).map(comparison.isEqual) == [nil, nil])
    #expect(comparison.failure == nil)
    #expect(ComparisonTable(comparison).rows.map(\.last) == ["–", "–"])
    #expect(comparison.verdict == ["2 runs, each of a job of its own: none has another to be equal with"])
  }

  @Test func speedUpAndEfficiencyAreAgainstTheFirstRunOfTheSameOptimizer() throws {
    let comparison = ComparisonTests.comparison([
      try ComparisonTests.run(workers(2, optimizer: "adam"), examples: 100),
      try ComparisonTests.run(workers(4, threads: 2, optimizer: "adam"), examples: 300),
      try ComparisonTests.run(workers(1, optimizer: "rmsprop"), examples: 50),
    ])
    #expect((0..<3).map(comparison.speedUp) == [1, 3, 1])
    #expect((0..<3).map(comparison.efficiency) == [1, 0.75, 1])
  }

  @Test func optimizersAreRankedAtEqualStepsAndAtEqualTime() throws {
    func run(_ optimizer: String, losses: [Double], stepSeconds: Double) throws -> Comparison.Run {
      var run = try ComparisonTests.run(workers(1, optimizer: optimizer))
      var history = RunHistory()
      for (index, loss) in losses.enumerated() {
        let report = StepReport(
          step: index + 1, epoch: 1, examples: 10, weight: 10, sums: [10 * loss], seconds: stepSeconds,
          computeSeconds: [],
          sumUpdateSeconds: 0, sendSeconds: 0)
        history.add(.step(report), at: Double(index + 1) * stepSeconds)
      }
      run.history = history
      run.summary?.seconds = Double(losses.count) * stepSeconds
      return run
    }
    // Adam is better by steps, and slower; gradient descent has one step.
    let comparison = ComparisonTests.comparison([
      try run("rmsprop", losses: [8, 7, 6, 5], stepSeconds: 1),
      try run("adam", losses: [8, 4, 3, 2, 1], stepSeconds: 3),
      try run("gradient-descent", losses: [9], stepSeconds: 3.5),
    ])
    let ranking = try #require(Ranking(comparison))
    #expect(ranking.steps == 4 && ranking.seconds == 3.5)
    #expect(ranking.rows.map(\.optimizer) == ["adam", "rmsprop", "gradient-descent"])
    #expect(
      ranking.rows.map(\.lossAtEqualSteps) == [2, 5, nil] && ranking.rows.map(\.rankAtEqualSteps) == [1, 2, nil])
    // Adam's curve is at 8 - 4/6 after 3.5 s, halfway from RMSprop's third step to its fourth.
    #expect(ranking.rows.map { $0.lossAtEqualTime.map { ($0 * 1e6).rounded() / 1e6 } } == [7.333333, 5.5, 9])
    #expect(ranking.rows.map(\.rankAtEqualTime) == [2, 1, 3])
    #expect(ranking.rows.map(\.stateBytesPerParameter) == [8, 4, 0])
    let series = ComparisonCharts(comparison).lossBySteps.series
    #expect(series.map(\.label) == ["adam", "rmsprop", "gradient-descent"])
    #expect(Ranking(ComparisonTests.comparison([try run("adam", losses: [1], stepSeconds: 1)])) == nil)
  }

  @Test func manyOptimizersAreToldApartByColourAndLine() throws {
    let names = UpdateRules.builtIn.map { $0.name }
    let runs = try names.map { name in
      try ComparisonTests.run(RunConfiguration(optimizer: name, workers: 1, threads: 1, optimizers: names))
    }
    let series = ComparisonCharts(ComparisonTests.comparison(runs)).lossBySteps.series
    #expect(Set(series.map { "\($0.color % 7) \($0.line)" }).count == names.count)
  }

  @Test func severalOptimizersShareTheOptionsThatTheyHave() throws {
    var options = JobOptions()
    for (name, value) in [("beta1", "0.8"), ("batch-size", "64"), ("rho", "0.8"), ("learning-rate", "0.01")] {
      try options.set(name, to: value)
    }
    let data = try LoadedData(DataSelection("digits"), for: LoadedData.Purpose(classify: nil), seed: 0)
    let names = ["adam", "rmsprop", "gradient-descent"]
    let jobs = try names.map { try options.selecting($0, among: names).resolve(data) }
    #expect(jobs.map(\.batchSize) == [64, 64, data.train.count])
    #expect(jobs.map { $0.optimizer.values.ifGiven("beta1") } == [0.8, nil, nil])
    #expect(
      jobs.map { $0.optimizer.values.ifGiven("rho") } == [nil, 0.8, nil] && jobs[2].optimizer.learningRate == 0.01)
    #expect(
      options.notes(among: names) == [
        "--beta1 goes only to adam: the others have no such option",
        "--rho goes only to rmsprop: the others have no such option",
        "--batch-size goes to all but gradient-descent, whose step is the whole training part",
      ])
    #expect(throws: OptionError.self) { try options.selecting("adam", among: ["adam", "sgd"]).resolve(data) }
    #expect(throws: (any Error).self) { try options.selecting("gradient-descent", among: []).resolve(data) }
    #expect(options.notes(among: ["adam"]).isEmpty)
  }

  @Test func csvHasARowARunAndQuotesWhatNeedsIt() throws {
    let comparison = ComparisonTests.comparison([
      try ComparisonTests.run(workers(1)), try ComparisonTests.run(workers(2), outcome: .failed("a \"b\", c\nd")),
    ])
    let lines = comparison.csv.split(separator: "\n", maxSplits: 2)
    let titles = lines[0].split(separator: ",")
    let first = lines[1].split(separator: ",", omittingEmptySubsequences: false)
    #expect(first.count == titles.count)
    let fields = Dictionary(uniqueKeysWithValues: zip(titles, first))
    #expect(fields["workers"] == "1" && fields["test_loss"] == "0.25" && fields["speed_up"] == "1.0")
    #expect(fields["status"] == "completed" && fields["parameters_sha256"] == "b" && fields["equal"] == "")
    #expect(lines[2].hasSuffix(",out/2-workers,\"a \"\"b\"\", c\nd\"\n"))
  }

  @Test func aValidationPartDecidesAndTheTestPartIsShownBesideIt() throws {
    var run = try ComparisonTests.run(workers(1))
    run.summary?.validation = ["loss": 0.5, "accuracy": 0.8]
    var history = RunHistory()
    history.add(.workerJoined(name: "w", number: 1, threads: 1, count: 1), at: 0)
    for step in 1...2 {
      history.add(
        .step(
          StepReport(
            step: step, epoch: step, examples: 1, weight: 1, sums: [1, 1], seconds: 1, computeSeconds: [])), at: 1)
      var summary = RunSummary()
      (summary.epochs, summary.steps, summary.train) = (step, step, ["loss": 1, "accuracy": 1])
      history.endEpoch(summary, parametersSHA256: "a")
      for part in step == 2 ? HeldOutPart.allCases : [.validation] {
        let report = EvaluationReport(
          part: part, step: step, epoch: step, examples: 1, loss: part == .test ? 9 : 0.5,
          figures: ["accuracy": part == .test ? 0.9 : 0.25 * Double(step)], seconds: 0)
        history.add(.evaluation(report), at: 1)
      }
    }
    run.history = history
    let comparison = Comparison(
      runs: [run], figures: CrossEntropy().metrics.figures, parts: [.validation, .test])
    let table = ComparisonTable(comparison)
    let titles = table.columns.map(\.title)
    let start = try #require(titles.firstIndex(of: "validation loss"))
    #expect(
      Array(titles[start..<start + 4]) == ["validation loss", "validation accuracy", "test loss", "test accuracy"])
    #expect(table.rows[0][start..<start + 4].map { Double($0) } == [0.5, 0.8, 0.25, 0.9])
    let chart = ComparisonCharts(comparison).resultByEpoch
    #expect(chart.yAxis.title == "validation accuracy" && chart.series[0].points.map(\.y) == [0.25, 0.5])
    let lines = comparison.csv.split(separator: "\n")
    let fields = Dictionary(
      uniqueKeysWithValues: zip(
        lines[0].split(separator: ","), lines[1].split(separator: ",", omittingEmptySubsequences: false)))
    #expect(fields["validation_loss"] == "0.5" && fields["validation_accuracy"] == "0.8")
    #expect(fields["test_loss"] == "0.25" && fields["test_accuracy"] == "0.9")
    #expect(!ComparisonTests.comparison([run]).csv.contains("validation"), "only where there is such a part")
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let epochs = try history.epochs.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    #expect(epochs[0].contains("\"validation_loss\":0.5") && !epochs[0].contains("test_"))
    #expect(epochs[1].contains("\"validation_accuracy\":0.5") && epochs[1].contains("\"test_loss\":9"))
  }

  @Test func theReportIsWellFormedWhateverIsInIt() throws {
    let hostile = "<script>alert('&\"')</script> \u{1} ümläut"
    let provenance = Provenance(
      command: "lockstep \(hostile)", machine: Machine(cores: 2, processor: hostile, system: hostile), date: Date(),
      version: "1")
    for count in [1, 2, 12] {
      for outcome in [Comparison.Outcome.completed, .failed(hostile), .notRun] {
        for hashes in [["a"], []] {
          var runs = try (1...count).map { try ComparisonTests.run(workers($0), hashes: hashes, outcome: outcome) }
          runs[0].job.data.data = hostile
          if count == 2 && outcome == .completed && !hashes.isEmpty { runs[1].summary?.parametersSHA256 = "x" }
          let comparison = ComparisonTests.comparison(runs)
          let html = ComparisonReport(comparison, provenance).html
          let parser = XMLParser(data: Data(html.utf8))
          #expect(parser.parse(), "\(String(describing: parser.parserError))")
          #expect(!html.contains("<script") && !html.contains("https://"))
          #expect(!html.replacing("xmlns=\"http://www.w3.org/2000/svg\"", with: "").contains("http://"))
          #expect(html.contains("class=\"verdict good\"") == (comparison.failure == nil && outcome == .completed))
          _ = try ComparisonRecord(comparison, provenance).json
        }
      }
    }
  }

  @Test func wordsAreQuotedForTheShell() {
    #expect(
      ["a-b/c.csv", "", "a b", "it's", "$x"].map(shellQuoted) == ["a-b/c.csv", "''", "'a b'", "'it'\\''s'", "'$x'"])
  }
}

@Suite struct RunHistoryTests {
  private func report(
    step: Int, seconds: Double = 1, compute: [(Int, Double)] = [], sumUpdate: Double = 0, send: Double = 0
  ) -> StepReport {
    StepReport(
      step: step, epoch: 1, examples: 10, weight: 10, sums: [10 * Double(step)], seconds: seconds,
      computeSeconds: compute.map { WorkerSeconds(worker: $0.0, seconds: $0.1) }, sumUpdateSeconds: sumUpdate,
      sendSeconds: send)
  }

  @Test(
    "the parts of a step's time add up to it",
    arguments: [
      // The slowest worker's seconds over its threads, and the rest.
      (1.0, [(1, 0.4), (2, 0.9)], 0.125, 0.25, [0.45, 0.175, 0.125, 0.25]),
      // More compute than there is time for: worker clocks are not the coordinator's.
      (1.0, [(1, 5.0)], 0.25, 0.25, [0.5, 0.0, 0.25, 0.25]), (1.0, [], 0.75, 0.75, [0.0, 0.0, 0.75, 0.25]),
      (0.5, [], 2.0, 1.0, [0.0, 0.0, 0.5, 0.0]),
    ] as [(Double, [(Int, Double)], Double, Double, [Double])])
  func split(_ seconds: Double, _ compute: [(Int, Double)], _ sumUpdate: Double, _ send: Double, _ parts: [Double]) {
    let split = TimeSplit(
      report(step: 1, seconds: seconds, compute: compute, sumUpdate: sumUpdate, send: send), threads: [1: 1, 2: 2])
    for (value, expected) in zip([split.compute, split.wait, split.sumUpdate, split.transfer], parts) {
      #expect(abs(value - expected) < 1e-12, "\(split)")
    }
    #expect(abs(split.compute + split.wait + split.sumUpdate + split.transfer - split.total) < 1e-12)
  }

  @Test("a curve has at most 300 points, which hold every step", arguments: [1, 2, 60, 61, 299, 300, 301, 1000, 4690])
  func buckets(_ steps: Int) {
    var history = RunHistory()
    for step in 1...steps { history.add(.step(report(step: step)), at: Double(step) / 10) }
    #expect(history.curve.count <= 300 && history.curve.count * history.stepsAPoint >= steps)
    let full = history.curve.first!
    #expect(full.step == Double(history.stepsAPoint + 1) / 2 && full.loss == full.step)
    #expect(history.curve.last!.step > Double(steps - history.stepsAPoint))
    #expect(history.examplesASecond == 10)
    let smoothed = history.smoothedCurve
    #expect(smoothed.count <= 60 && smoothed.map(\.step) == smoothed.map(\.step).sorted())
    #expect(smoothed.allSatisfy { abs($0.loss - $0.step) < 1e-9 * $0.step })
    if steps <= 60 { #expect(smoothed == history.curve) }
  }
}
