internal import ArgumentParser
internal import Cluster
internal import Files
internal import Foundation
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct FindRateCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "find-rate",
    abstract: "Find a learning rate to begin with, by one short run in which it grows.",
    discussion: """
      The learning-rate range test: over --steps (100 unless given) the learning rate grows by equal factors from --from to --to. \
      Where it is too small the loss hardly falls, where it is too large the loss rises. The suggestion is a tenth of the rate \
      with the least smoothed loss. `lockstep sweep` finds the best by whole runs.

      The same command gives the same losses to the bit, for any number of workers and threads.
      """)

  enum Section: OptionSection {
    static let from = OptionDeclaration.real(
      "from", default: 1e-7, .positive, valueName: "rate", decides: false, "The first learning rate.")
    static let to = OptionDeclaration.real(
      "to", default: 10, .positive, valueName: "rate", decides: false, "The last learning rate.")
    static let workers = TrainCommand.Section.workers
    static let threads = TrainCommand.Section.threads
    static let output = OptionDeclaration.path(
      "output", valueName: "folder", defaultText: "runs/find-rate-<time>", decides: false, "The test's folder.")
    static let overwrite = OptionDeclaration.toggle("overwrite", "Replace the test that --output holds.")
    static let options = [from, to, workers, threads, output, overwrite]

    static func check(_ given: DeclaredOptions<Section>) throws {
      let (from, to) = (given.real(Section.from), given.real(Section.to))
      guard from < to else { throw ValidationError("--from \(from): it must be less than --to, \(to)") }
      guard to / from <= 1e30 else { throw ValidationError("--to \(to): it may be up to 1e30 times --from, \(from)") }
    }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  private static let file = "find-rate.json"

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(64 + 16 * own.whole(Section.workers))
    let prepared = try PreparedJob(testOptions(), models: ModelKinds.registry.all)
    if let group = prepared.job.optimizer.groups.first(where: { $0.values["learning-rate"] != nil }) {
      throw OptionError(
        "--parameter-group '\(group.text)': the test chooses the learning rate of all parameters; leave it out of the group"
      )
    }
    guard prepared.plan.totalSteps > 1 else {
      throw OptionError("--steps \(prepared.plan.totalSteps): a test needs at least two steps")
    }
    let folder = try makeFolder()
    let headline = prepared.headline(String(format: "%g to %g", own.real(Section.from), own.real(Section.to)))
    printLine(headline)
    let test = try measure(prepared, signals)
    let report = RateTestReport(test, .ofThisCommand, headline: headline)
    try AtomicFile.write(report.json, to: "\(folder.path)/\(FindRateCommand.file)")
    try AtomicFile.write(report.html, to: "\(folder.path)/report.html")
    let (width, hasColor) = plotStyle()
    for line in report.lines(width: width, hasColor: hasColor) { printLine(line) }
    printLine("report: \(folder.path)/report.html")
  }

  /// The job of the test.
  private func testOptions() throws -> JobOptions {
    let chosen = Set(["learning-rate", ScheduleKind.option.name] + ScheduleKind.selector.options.map(\.name))
    let flags = optimization.given + (try others.given)
    if let (name, value) = flags.first(where: { chosen.contains($0.name) }) {
      throw OptionError("--\(name) \(value): the test chooses it; give --from and --to")
    }
    var options = try jobOptions(output: nil)
    // Those of a job file are of no use here.
    let (from, to) = (own.real(Section.from), own.real(Section.to))
    var test = JobOptions()
    try test.set([
      ("schedule", ScheduleKind.range.rawValue), ("learning-rate", "\(from)"), ("schedule-range", "\(to / from)"),
    ])
    test.overlay(on: &options)
    if options.given["epochs"] == nil, options.given["steps"] == nil { try options.set("steps", to: "100") }
    // Evaluations tell nothing here. The last step has one in any case.
    if options.given["evaluate-every"] == nil { try options.set("evaluate-every", to: "\(1 << 40)") }
    return options
  }

  private func makeFolder() throws -> OutputFolder {
    let folder = try OutputFolder(own.text(Section.output), prefix: "find-rate-")
    try folder.refuseOthers(than: FindRateCommand.file)
    let files = [FindRateCommand.file, "report.html"].map { "\(folder.path)/\($0)" }
    if own.isOn(Section.overwrite) {
      for file in files { unlink(file) }
    } else if files.contains(where: FileManager.default.fileExists) {
      throw OptionError(
        "--output \(folder.path): there is a test already; replace it by --overwrite, or choose another folder")
    }
    return folder
  }

  private func measure(_ prepared: PreparedJob, _ signals: SignalWatch) throws -> RateTest {
    var steps: [RateTest.Step] = []
    var statistics = RunStatistics()
    let (workers, progress) = (own.whole(Section.workers), ProgressDisplay(prepared, step: 0))
    defer { StatusLine.clear() }
    do {
      try withLocalWorkers(workers, threads: own.whole(Section.threads)) { endpoint in
        let coordinator = try Coordinator(prepared.newRun(), binding: endpoint, awaitedWorkers: workers)
        let mailbox = coordinator.mailbox
        signals.onSignal { mailbox.fail("interrupted by \($0.name)") }
        return coordinator
      } _: { coordinator in
        try coordinator.run { event in
          statistics.add(event, prepared.model.metrics)
          if case .step(let report) = event {
            steps.append(RateTest.Step(rate: report.learningRate, loss: report.loss))
          }
          if case .evaluation = event { return }
          progress.show(event, statistics)
        }
      }
    } catch let error as TrainingError where error.hasDiverged && signals.received == nil && steps.count > 1 {
      return RateTest(steps, hasEnded: true)
    } catch {
      if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
      throw error
    }
    return RateTest(steps, hasEnded: false)
  }
}
