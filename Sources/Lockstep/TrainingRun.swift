internal import Cluster
internal import Datasets
internal import Files
internal import Foundation
internal import Kernels
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema
internal import ZeroMQ

/// A run for a command: fills its folder, prints progress and reports how it ends.
final class TrainingRun {
  let prepared: PreparedJob
  private let folder: RunFolder
  private let views: RunViews
  private let signals: SignalWatch
  private var statistics = RunStatistics()
  /// For comparisons; nil if it is not kept. Grows with each epoch.
  private(set) var history: RunHistory?
  /// Nil before the end.
  private(set) var summary: RunSummary?

  private let checkpoint: Checkpoint?
  /// Checkpoints of an earlier run in the folder, to be removed; nil if this run resumes it.
  private let obsolete: CheckpointStore?
  private let checkpoints: CheckpointSaver
  private var hasBegun = false

  deinit { if !hasBegun { folder.abandon() } }

  init(
    _ start: RunStart, every interval: CheckpointInterval, keep: Int, signals: SignalWatch,
    views options: RunViews.Options = RunViews.Options(),
    keepsHistory: Bool = false
  ) throws {
    prepared = start.prepared
    checkpoint = start.resumed?.checkpoint
    self.signals = signals
    history = keepsHistory ? RunHistory() : nil
    if let checkpoint { statistics = checkpoint.state.statistics }
    if let other = start.otherNumerics {
      printError("warning: \(other)")
      statistics.add(.otherNumerics(other), prepared.model.metrics)
    }
    if start.overwrites, let output = start.output,
      let path = prepared.job.data.paths.first(where: { isPath($0, inside: output) })
    {
      throw OptionError("--output \(output) --overwrite: \(path) is in this folder and is read: choose another folder")
    }
    folder = try RunFolder(
      start.output, prepared, resuming: start.resumed.map { ($0.folder, $0.checkpoint.state.step) },
      isRepeatable: statistics.summary.otherNumerics == nil, overwrites: start.overwrites,
      warn: { printError("warning: \($0)") })
    views = try RunViews(folder, prepared, statistics, options)
    let store = CheckpointStore(run: folder.path, keep: keep)
    obsolete = start.staysInFolder ? nil : store
    checkpoints = CheckpointSaver(
      store, prepared, every: interval, start: checkpoint?.state.step ?? 0,
      saved: start.staysInFolder ? checkpoint?.state.step : nil)
  }

  /// A coordinator that starts at the run's first step.
  func makeCoordinator(
    binding endpoint: String, awaitedWorkers: Int, _ connections: Connections,
    topology: Topology? = nil, security: CoordinatorSecurity? = nil, timeline: Timeline?
  ) throws -> Coordinator {
    // Not earlier, so that memory for loading the data is returned to the system.
    Allocator.keepFreedMemory()
    return try Coordinator(
      checkpoint == nil ? prepared.newRun() : prepared.coordinated, binding: endpoint, awaitedWorkers: awaitedWorkers,
      resuming: checkpoint?.savedState,
      sharesMemory: connections.sharesMemory, acceptsOtherNumerics: connections.acceptsOtherNumerics,
      security: security, timeline: timeline, limits: connections.limits,
      topology: topology, usesAllWorkers: connections.usesAllWorkers)
  }

  /// Prints what was found in a table, the run's headline followed by `more`, and its parameter groups.
  func introduce(_ more: String = "") throws {
    for line in prepared.report?.lines ?? [] { printLine(line) }
    printLine(headline + more)
    for (group, size) in zip(prepared.job.optimizer.groups, try prepared.optimizer().groupSizes) {
      printLine("\(group.text): \(count(size.tensors, "tensor")), \(count(size.parameters, "parameter"))")
    }
  }

  /// For a run between machines: prints which options keep parameters from going out while sums still come, if there are
  /// some. They make no difference to a single chunk.
  func explainWaitingChunks() throws {
    let causes = try prepared.job.wholeGradientCauses()
    let count = prepared.model.layout.parameterCount
    guard !causes.isEmpty, ChunkLayout.networkSize(count) < count else { return }
    printLine("chunks are updated only when all have come, because of \(causes.joined(separator: ", "))")
  }

  /// Tells those who watch that the run has ended, and runs the user's command. To be called last.
  func finishViews() { views.finish() }

  /// Describes the data, the model and the optimizer.
  var headline: String { prepared.headline("\(prepared.job.optimizer.learningRate)") }

  /// Makes a signal end the run after the current step, or round of local steps.
  func endOnSignal(_ coordinator: Coordinator) {
    let mailbox = coordinator.mailbox
    signals.onSignal { signal in mailbox.stop("interrupted by \(signal.name)") }
  }

  /// Runs `coordinator` to its end, then writes and prints the results.
  ///
  /// - Parameter command: the command and options that would resume the run.
  func run(_ coordinator: Coordinator, command: String) throws {
    hasBegun = true
    var start: Instant?
    let progress = ProgressDisplay(prepared, step: checkpoint?.state.step ?? 0)
    let earlier = statistics.summary.seconds
    func secondsSinceStart() -> Double { earlier + (start.map { Instant.now.seconds(since: $0) } ?? 0) }
    func end(_ failure: TrainingError?) -> RunSummary {
      let summary = statistics.finished(
        coordinator.parameters.values, of: prepared.model.layout, stateBytes: coordinator.stateBytesPerParameter,
        seconds: secondsSinceStart(), failure: failure)
      self.summary = summary
      return summary
    }
    func warn(_ text: String) throws {
      progress.warn(text)
      try views.note(.warning, text)
    }
    do {
      try obsolete?.removeAll()
      let text = checkpoint.map { "resumed after step \(grouped($0.state.step)): " } ?? ""
      try views.note(.started, text + headline)
      try views.begin(coordinator, prepared, statistics)
      coordinator.onTick = { [views] in try views.tick(coordinator, self.statistics) }
      defer { (coordinator.onTick, coordinator.onGradient) = (nil, nil) }
      try coordinator.run { event in
        if start == nil, case .workerJoined = event { start = Instant.now }
        statistics.add(event, prepared.model.metrics)
        history?.add(event, at: secondsSinceStart())
        try folder.record(event)
        if case .step(let report) = event, prepared.plan.isEvaluationDue(afterStep: report.step - 1) {
          let hash = parametersSHA256(coordinator.parameters.values)
          // Without data every step is an epoch, and lines of steps alone are bounded.
          if prepared.featureCount > 0 || report.step == prepared.plan.totalSteps {
            try folder.record(epoch: report.epoch, step: report.step, parametersSHA256: hash)
          }
          history?.endEpoch(statistics.summary, parametersSHA256: hash)
        }
        progress.show(event, statistics)
        try views.add(event, coordinator)
        if checkpoints.isDue(event) {
          let start = Instant.now
          if let next = self.checkpoint(of: coordinator, seconds: secondsSinceStart()) {
            try folder.flush()
            checkpoints.save(next)
            try folder.record(
              checkpointAfter: next.state.step, epoch: statistics.epoch, pause: Instant.now.seconds(since: start))
            views.addCheckpoint(step: next.state.step)
          }
        }
        for failure in checkpoints.takeFailures() { try warn("no checkpoint was written: \(failure)") }
      }
    } catch {
      StatusLine.clear()
      keepCheckpoint(of: coordinator, seconds: secondsSinceStart(), command)
      // The user must see the run's error, even if the summary cannot be written.
      let failure = failure(error)
      try? folder.finish(end(failure), model: nil)
      views.end(coordinator, statistics, failure: failure.description)
      if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
      throw error
    }
    StatusLine.clear()
    guard coordinator.parameters.values.areFinite else {
      let failure = TrainingError(
        statistics.summary.steps == 0
          ? "the initial parameters are not finite: --model \(prepared.job.modelText) makes them so"
          : "the averages of the parameters are not finite: try a smaller --learning-rate")
      try? folder.finish(end(failure), model: nil)
      views.end(coordinator, statistics, failure: failure.description)
      throw failure
    }
    let summary = end(nil)
    if let last = self.checkpoint(of: coordinator, seconds: secondsSinceStart()) {
      do {
        try folder.flush()
        try checkpoints.saveAtOnce(last)
      } catch {
        printError("warning: no checkpoint was written: \(error)")
      }
    }
    do {
      try folder.finish(summary, model: (coordinator.parameters.values, prepared))
    } catch {
      views.end(coordinator, statistics, failure: "\(error)")
      throw error
    }
    views.end(coordinator, statistics, failure: nil)
    printSummary(summary)
  }

  /// A checkpoint of the run now; nil while the state is incomplete.
  private func checkpoint(of coordinator: Coordinator, seconds: Double) -> Checkpoint? {
    coordinator.state.map { prepared.checkpoint($0, statistics.saved(seconds: seconds)) }
  }

  /// Saves a run that failed, and says how to resume it.
  private func keepCheckpoint(of coordinator: Coordinator, seconds: Double, _ command: String) {
    do {
      if let last = self.checkpoint(of: coordinator, seconds: seconds) {
        try folder.flush()
        try checkpoints.saveAtOnce(last)
      } else {
        checkpoints.finish()
      }
    } catch {
      printError("warning: the run could not be saved: \(error)")
    }
    guard let step = checkpoints.lastSaved else { return }
    printError(
      "saved after step \(grouped(step)); go on with: \(LockstepCommands.programName) \(command) --resume \(shellQuoted(folder.path))"
    )
  }

  private func failure(_ error: any Error) -> TrainingError {
    if let signal = signals.received { return TrainingError("\(error)", culprit: signal.name) }
    return error as? TrainingError ?? TrainingError("\(error)", culprit: error is FileError ? folder.path : nil)
  }

  private func printSummary(_ summary: RunSummary) {
    var lines = ["done: \(count(summary.steps, "step")) in \(String(format: "%.1f", summary.seconds)) s"]
    if summary.skippedSteps > 0 { lines[0] += ", \(grouped(summary.skippedSteps)) of them skipped" }
    if let rate = summary.stepsPerSecond {
      lines[0] += ", \(String(format: rate < 99.95 ? "%.1f" : "%.0f", rate)) steps/s"
    }
    for part in HeldOutPart.allCases {
      let figures = summary.figures(of: part)
      if let loss = figures["loss"] { lines[0] += ", \(part) loss \(format(loss))" }
      for figure in prepared.model.metrics.figures {
        if let value = figures[figure.name] { lines[0] += ", \(part) \(figure.title) \(format(value))" }
      }
    }
    if summary.stepTime.total > 0 {
      lines.append("time: " + text(summary.stepTime, prepared.job.optimizer.name))
      let hasData = prepared.featureCount > 0
      if let advice = advice(summary.stepTime, workers: summary.workers, hasData: hasData) { lines.append(advice) }
    }
    lines.append("model: \(folder.path)/model.safetensors")
    lines.append("parameters_sha256: \(summary.parametersSHA256 ?? "")")
    printLine(lines.joined(separator: "\n"))
  }
}

/// The fractions of a step's time.
private func text(_ time: TimeSplit, _ rule: String) -> String {
  let ofTensors = time.tensors.map { " (\(percent($0, of: time)) \(rule)'s work on whole tensors)" } ?? ""
  let parts = [
    (time.compute, "computing"), (time.wait, "waiting"), (time.sumUpdate, "sums and updates\(ofTensors)"),
    (time.transfer, "messages"),
  ]
  return parts.map { "\(percent($0, of: time)) \($1)" }.joined(separator: ", ")
}

/// How to make steps faster, if much of their time is not spent on computing.
private func advice(_ time: TimeSplit, workers: Int, hasData: Bool) -> String? {
  let waiting = time.wait + time.transfer
  if waiting > 0.3 * time.total {
    let remedies = [hasData ? "larger batches (--batch-size)" : nil, workers > 1 ? "fewer workers" : nil]
    let remedy = remedies.compactMap(\.self).joined(separator: " or ")
    guard !remedy.isEmpty else { return nil }
    return "\(percent(waiting, of: time)) of a step waits for messages and workers: \(remedy) would pay"
  }
  guard time.sumUpdate > 0.3 * time.total, hasData else { return nil }
  return "\(percent(time.sumUpdate, of: time)) of a step is sums and updates: larger batches (--batch-size) would pay"
}

private func percent(_ part: Double, of time: TimeSplit) -> String { "\(Int((100 * part / time.total).rounded())) %" }

struct Interruption: Error, CustomStringConvertible {
  let signal: Int32
  let name: String

  var description: String { "interrupted by \(name)" }
}

extension PreparedJob {
  /// The data's name for output.
  var dataName: String { featureCount == 0 ? "no data" : job.data.data }

  /// Describes the data, the model and the optimizer with its learning rate `rate`.
  func headline(_ rate: String) -> String {
    let validation = plan.validationCount > 0 ? "\(grouped(plan.validationCount)) validation, " : ""
    let parts = "\(grouped(plan.trainCount)) train, \(validation)\(grouped(plan.testCount)) test"
    let target =
      switch target {
      case .classification(let classes): "\(classes) classes"
      case .regression(let outputs): outputs > 1 ? "regression of \(outputs) outputs" : "regression"
      case .positions(let count, let classes): "\(classes) classes at \(count) positions"
      }
    let data = featureCount > 0 ? "\(dataName) (\(parts), \(target))" : dataName
    let batch = job.data.stepIsWhole ? "" : "batch \(plan.batchSize) in "
    return
      "\(data), \(job.modelText) (\(count(model.layout.parameterCount, "parameter"))), "
      + "\(job.optimizer.name) \(rate), "
      + "\(batch)\(count(job.microBatches, "micro-batch", "micro-batches"))"
      + (plan.local.map { ", \(count($0.replicas, "replica")) of \($0.steps) local steps" } ?? "")
  }
}
