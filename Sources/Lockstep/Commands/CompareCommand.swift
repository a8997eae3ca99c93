internal import ArgumentParser
internal import Cluster
internal import Datasets
internal import Files
internal import Foundation
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct CompareCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract:
      "Run one job with several numbers of workers, threads and optimizers, and hold the results beside each other.",
    discussion: """
      The runs go one after the other, each exactly as `lockstep train` would run it. In the end there are a table, the \
      loss curves, and in the output folder report.html (a page to read or print), comparison.json, comparison.csv and \
      a folder for each run.

      Runs that differ in workers and threads alone must end with the same bits; where they do not, the exit code is 1. \
      Speed-up and efficiency are measured against the first run of the same optimizer.

      Several optimizers are ranked by train loss at equal steps and at equal time. Options that only some of them have \
      go to those, --batch-size to all but gradient-descent, whose step is the whole training part.
      """)

  enum Section: OptionSection {
    static let workers = OptionDeclaration.text(
      "workers", valueName: "list", defaultText: "1,2; with several optimizers: 2", decides: false,
      "Numbers of worker processes, such as 1,2,4.")
    static let threads = OptionDeclaration.text(
      "threads", default: "1", valueName: "list", decides: false, "Numbers of compute threads a worker.")
    static let optimizers = OptionDeclaration.text(
      "optimizers", valueName: "list", defaultText: "the job's", decides: false,
      "Update rules, such as adam,rmsprop, or all, in place of --optimizer.")
    static let scaleBatch = OptionDeclaration.toggle(
      "scale-batch",
      "Weak scaling: multiply --batch-size and --micro-batches by the workers, so that each keeps its share.")
    static let scaleLearningRate = OptionDeclaration.choice(
      "scale-learning-rate", ComparisonGrid.LearningRateScaling.allCases.map(\.rawValue), valueName: "rule",
      decides: false,
      "With --scale-batch: multiply the learning rate by the workers (linear) or by their square root (sqrt).")
    static let output = OptionDeclaration.path(
      "output", valueName: "folder", defaultText: "runs/compare-<time>", decides: false, "The comparison's folder.")
    static let overwrite = OptionDeclaration.toggle(
      "overwrite", "Replace the comparison that --output holds, its runs included; without this it is left alone.")
    static let options = [workers, threads, optimizers, scaleBatch, scaleLearningRate, output, overwrite]
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  private var overwrite: Bool { own.isOn(Section.overwrite) }

  func validate() throws {
    _ = try grid()
    guard !own.has(Section.scaleLearningRate) || own.isOn(Section.scaleBatch) else {
      throw ValidationError("--scale-learning-rate needs --scale-batch: without it all runs have the same batch")
    }
    if let optimizers = own.text(Section.optimizers),
      let optimizer = job.given.first(where: { $0.name == OptimizerSettings.selector.name })?.value
    {
      throw ValidationError("--optimizer \(optimizer) and --optimizers \(optimizers) exclude each other")
    }
  }

  private func grid() throws -> ComparisonGrid {
    let optimizers = try own.text(Section.optimizers).map(parseOptimizers) ?? []
    return ComparisonGrid(
      optimizers: optimizers,
      workers: try parseCounts("workers", own.text(Section.workers) ?? (optimizers.count > 1 ? "2" : "1,2")),
      threads: try parseCounts("threads", own.text(Section.threads) ?? "1"),
      scalesBatch: own.isOn(Section.scaleBatch),
      learningRateScaling: own.text(Section.scaleLearningRate)
        .flatMap(ComparisonGrid.LearningRateScaling.init(rawValue:)))
  }

  func run() throws {
    let signals = SignalWatch()
    let grid = try grid()
    try ensureDescriptors(64 + 16 * (grid.workers.max() ?? 1))
    let options = try jobOptions(output: own.text(Section.output))
    // Removed first: if this comparison fails, no earlier report must be left.
    let named = try options.output.map { path in
      let folder = try OutputFolder(path)
      if !overwrite, FileManager.default.fileExists(atPath: "\(path)/comparison.json") {
        throw OptionError(
          "--output \(path): there is a comparison already; replace it and its runs by --overwrite, or choose another folder"
        )
      }
      ComparisonFiles.remove(from: path)
      return folder
    }
    let prepared = try prepare(grid, options)
    let folder = try named ?? OutputFolder(nil, prefix: "compare-")
    var comparison = Comparison(
      runs: prepared.map { configuration, job in
        Comparison.Run(configuration: configuration, job: job.job, folder: "\(folder.path)/\(configuration.name)")
      },
      figures: prepared[0].job.model.metrics.figures, parts: prepared[0].job.plan.heldOutParts,
      notes: options.notes(among: grid.optimizers))
    let files = ComparisonFiles(folder.path, .ofThisCommand)
    if overwrite { for run in comparison.runs { RunFolder.removeResults(at: run.folder) } }
    // Written before the first run and after each one. So the files always show what is done, and a folder that cannot
    // be written fails at once.
    try files.write(comparison)
    for index in prepared.indices where signals.received == nil {
      let (configuration, job) = prepared[index]
      comparison.runs[index].run(job, signals, overwrites: overwrite) { headline in
        printLine(
          "[\(index + 1)/\(prepared.count)] \(configuration.headline): \(headline)")
      }
      if case .failed(let reason) = comparison.runs[index].outcome, signals.received == nil {
        printError("warning: \(configuration.label) failed: \(reason)")
      }
      try files.write(comparison)
    }
    show(comparison, report: files.report)
    if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
    if let failure = comparison.failure { throw TrainingError(failure) }
  }

  /// Checks the jobs of all runs against the data before the first run starts.
  private func prepare(
    _ grid: ComparisonGrid, _ options: JobOptions
  ) throws -> [(configuration: RunConfiguration, job: PreparedJob)] {
    let data = try options.load()
    return try grid.configurations.map { configuration in
      (configuration, try PreparedJob(configuration.options(options, data), data, models: ModelKinds.registry.all))
    }
  }

  private func show(_ comparison: Comparison, report: String) {
    let table = ComparisonTable(comparison)
    printLine("\n" + table.lines.joined(separator: "\n"))
    if !table.failures.isEmpty { printLine("\n" + table.failures.joined(separator: "\n")) }
    printLine("\n" + table.notes.joined(separator: "\n"))
    if let ranking = Ranking(comparison) {
      let table = ComparisonTable(ranking)
      printLine("\n" + table.lines.joined(separator: "\n") + "\n\n" + table.notes.joined(separator: "\n"))
    }
    let charts = ComparisonCharts(comparison)
    if !charts.isEmpty {
      let (width, hasColor) = plotStyle()
      for plot in charts.plots(width: width, hasColor: hasColor) {
        printLine("\n" + plot.joined(separator: "\n"))
      }
    }
    printLine("\n" + comparison.verdict.joined(separator: "\n"))
    printLine("report: \(report)")
  }
}

extension RunConfiguration {
  /// Such as `adam, 2 workers of 1 thread`.
  var headline: String {
    (namesOptimizer ? (optimizer ?? "") + ", " : "") + "\(count(workers, "worker")) of \(count(threads, "thread"))"
  }
}

extension Comparison.Run {
  /// Trains. A failure is this run's result.
  mutating func run(_ prepared: PreparedJob, _ signals: SignalWatch, overwrites: Bool, announce: (String) -> Void) {
    var training: TrainingRun?
    do {
      let run = try TrainingRun(
        RunStart(prepared: prepared, output: folder, resumed: nil, overwrites: overwrites), every: .seconds(600),
        keep: 1, signals: signals,
        keepsHistory: true)
      training = run
      announce(run.headline)
      try run.runLocally(workers: configuration.workers, threads: configuration.threads, maxRestarts: 3)
      outcome = .completed
    } catch {
      outcome = .failed("\(error)")
    }
    summary = training?.summary
    history = training?.history
  }
}

/// The files of a comparison beside its runs' folders.
struct ComparisonFiles {
  private let folder: String
  private let provenance: Provenance

  init(_ folder: String, _ provenance: Provenance) {
    (self.folder, self.provenance) = (folder, provenance)
  }

  var report: String { "\(folder)/report.html" }

  static func remove(from folder: String) {
    for name in ["report.html", "comparison.json", "comparison.csv"] { unlink("\(folder)/\(name)") }
  }

  func write(_ comparison: Comparison) throws {
    try AtomicFile.write(ComparisonRecord(comparison, provenance).json, to: "\(folder)/comparison.json")
    try AtomicFile.write(comparison.csv, to: "\(folder)/comparison.csv")
    try AtomicFile.write(ComparisonReport(comparison, provenance).html, to: report)
  }
}

/// Parses different whole numbers from 1 to 1024.
private func parseCounts(_ option: String, _ text: String) throws -> [Int] {
  let counts = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
    guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let count = Int(part),
      (1...1024).contains(count)
    else {
      throw ValidationError(
        "--\(option) '\(text)': '\(part)' is no whole number from 1 to 1024; some are needed, as in 1,2,4")
    }
    return count
  }
  try refuseRepeated(option, text, counts)
  return counts
}
