internal import Cluster
internal import Foundation
internal import Kernels
internal import Models
internal import Monitoring
internal import Protocol
internal import Runs
internal import Schema

/// What a run shows to those who watch it: its status, its log and its metrics so far. All of them are files of its
/// folder, which `watch`, the page and the others read.
final class RunViews {
  /// What the user asked for.
  struct Options {
    var dashboard: Dashboard?
    var writesTensorBoard = false
    /// Steps between histograms for TensorBoard; nil for none.
    var histogramSteps: Int?
    /// Whether to draw a screen, if standard output is a terminal.
    var drawsScreen = false
    var endCommand: EndCommand?
  }

  private let folder: RunFolder
  private let options: Options
  /// Nil before the run begins, and if nobody asked for it.
  private var tensorBoard: TensorBoardWriter?
  private let layout: ParameterLayout
  private let drawsScreen: Bool
  /// For the screen, by part of the data.
  private var losses: [(part: String, curve: LossHistory)] = [
    ("train", LossHistory()), ("validation", LossHistory()), ("test", LossHistory()),
  ]
  /// Of the gradient of the step that has them, by tensor.
  private var gradients: [Histogram] = []
  private var recorder: StatusRecorder
  private let writer: StatusWriter
  private var lastShown = Instant(nanoseconds: 0)
  private var step: Int
  /// How it has ended; nil before.
  private var ended: RunStatus.State?

  /// - Parameter statistics: of the run so far.
  init(_ folder: RunFolder, _ prepared: PreparedJob, _ statistics: RunStatistics, _ options: Options) throws {
    (self.folder, self.options, layout) = (folder, options, prepared.model.layout)
    drawsScreen = options.drawsScreen && isatty(STDOUT_FILENO) == 1
    recorder = StatusRecorder(
      prepared, statistics, headline: prepared.headline("\(prepared.job.optimizer.learningRate)"),
      program: LockstepCommands.version, now: Date().timeIntervalSince1970)
    writer = StatusWriter(folder: folder.path) {
      printError("warning: those who watch the run do not see how it is: \($0)")
    }
    step = statistics.summary.steps
    try options.dashboard?.show(run: folder.path)
  }

  /// Whether step `step`, counted from 1, gets histograms.
  private func hasHistograms(_ step: Int) -> Bool {
    tensorBoard != nil && options.histogramSteps.map { step.isMultiple(of: $0) } ?? false
  }

  /// The run begins.
  func begin(_ coordinator: Coordinator, _ prepared: PreparedJob, _ statistics: RunStatistics) throws {
    try show(coordinator, statistics)
    guard options.writesTensorBoard else { return }
    let plan = prepared.plan
    let job = TensorBoardWriter.Job(
      options: try prepared.coordinated.job, yaml: try prepared.job.yaml(),
      figures: prepared.model.metrics.figures.map(\.name),
      parts: (plan.validationCount > 0 ? ["validation"] : []) + (plan.testCount > 0 ? ["test"] : []))
    tensorBoard = TensorBoardWriter(folder: folder.path, job) { printError("warning: \($0)") }
    guard options.histogramSteps != nil else { return }
    coordinator.onGradient = { [self] step, range, sums, weight in
      guard hasHistograms(step) else { return }
      if gradients.isEmpty { gradients = layout.tensors.map { _ in Histogram() } }
      for (index, tensor) in layout.tensors.enumerated() where tensor.range.overlaps(range) {
        let part = tensor.range.clamped(to: range)
        let values = sums[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound]
        gradients[index].add(values, times: Float(1 / weight))
      }
    }
  }

  private func addHistograms(_ step: Int, _ parameters: Floats) {
    var values: [(tag: String, histogram: Histogram)] = []
    for (index, tensor) in layout.tensors.enumerated() {
      var histogram = Histogram()
      histogram.add(parameters[tensor.range])
      values.append(("parameters/\(tensor.name)", histogram))
      if !gradients.isEmpty, !tensor.isStatistic { values.append(("gradients/\(tensor.name)", gradients[index])) }
    }
    gradients = []
    tensorBoard?.add(step: step, values)
  }

  func note(_ kind: RunLog.Line.Kind, _ text: String) throws {
    try folder.note(RunLog.Line(kind, text, step: step))
  }

  /// - Parameter coordinator: whose parameters are those after it.
  func add(_ event: TrainingEvent, _ coordinator: Coordinator) throws {
    recorder.add(event, at: .now)
    if case .step(let report) = event {
      step = report.step
      if hasHistograms(step) { addHistograms(step, coordinator.parameters.values) }
    }
    if drawsScreen {
      switch event {
      case .step(let report): losses[0].curve.add(step: report.step, report.loss)
      case .evaluation(let report):
        losses[report.part == .validation ? 1 : 2].curve.add(step: report.step, report.loss)
      default: break
      }
    }
    if let note = event.note { try self.note(note.kind, note.text) }
  }

  func addCheckpoint(step: Int) { recorder.addCheckpoint(step: step, now: Date().timeIntervalSince1970) }

  /// Shows the run as it is now, if the last time is long enough ago. Called ten times a second.
  ///
  /// - Throws: an error that names the file of metrics if it cannot be written.
  func tick(_ coordinator: Coordinator, _ statistics: RunStatistics) throws {
    let interval = drawsScreen || options.dashboard?.isWatched == true ? 0.25 : 1
    if Instant.now.seconds(since: lastShown) >= interval { try show(coordinator, statistics) }
  }

  private func show(_ coordinator: Coordinator, _ statistics: RunStatistics) throws {
    lastShown = .now
    try folder.showLines()
    let status = recorder.status(
      Self.network(coordinator), statistics, now: (Date().timeIntervalSince1970, lastShown))
    writer.write(status)
    if drawsScreen { draw(status) }
  }

  private func draw(_ status: RunStatus) {
    let (width, height) = terminalSize()
    let screen = RunScreen(
      status, losses: losses.map { ($0.part, $0.curve.points) }, messages: StatusLine.waitingLines(5))
    StatusLine.drawScreen(screen.lines(width: width, height: height, hasColor: wantsColor))
  }

  /// Shows how the run has ended. Nothing fails by it.
  func end(_ coordinator: Coordinator, _ statistics: RunStatistics, failure: String?) {
    StatusLine.leaveScreen()
    ended = failure == nil ? .completed : .failed
    do {
      try note(failure == nil ? .ended : .error, failure ?? "completed")
    } catch {
      printError("warning: how the run has ended is not in its log: \(error)")
    }
    writer.write(
      recorder.ended(
        Self.network(coordinator), statistics, failure: failure, now: (Date().timeIntervalSince1970, .now)))
    writer.finish()
    tensorBoard?.finish(hasSucceeded: failure == nil)
  }

  /// The last thing that a command does. Without a summary the run has not begun.
  func finish() {
    options.dashboard?.finish()
    guard let command = options.endCommand, let status = ended else { return }
    command.run(summary: "\(folder.path)/summary.json", status: status.rawValue)
  }

  private static func network(_ coordinator: Coordinator) -> StatusRecorder.Network {
    StatusRecorder.Network(
      roster: coordinator.roster, topology: coordinator.topology, bytes: coordinator.bytes,
      reassignedLeaves: coordinator.reassignedLeaves)
  }
}
