internal import Cluster
internal import Foundation
internal import Protocol
internal import Runs

/// What a run shows to those who watch it: its status, its log and its metrics so far. All of them are files of its
/// folder, which `watch`, the page and the others read.
final class RunViews {
  /// What the user asked for.
  struct Options {
    var dashboard: Dashboard?
    var endCommand: EndCommand?
  }

  private let folder: RunFolder
  private let options: Options
  private var recorder: StatusRecorder
  private let writer: StatusWriter
  /// Seconds between two states of the run.
  private let interval: Double
  private var lastShown = Instant(nanoseconds: 0)
  private var hasWarned = false
  private var step: Int
  /// How it has ended; nil before.
  private var ended: RunStatus.State?

  init(_ folder: RunFolder, _ prepared: PreparedJob, _ statistics: RunStatistics, _ options: Options) throws {
    (self.folder, self.options) = (folder, options)
    interval = options.dashboard?.isOn == true ? 0.25 : 1
    recorder = StatusRecorder(
      prepared, statistics, headline: prepared.headline("\(prepared.job.optimizer.learningRate)"),
      program: LockstepCommands.version, now: Date().timeIntervalSince1970)
    writer = StatusWriter(folder: folder.path)
    step = statistics.summary.steps
    try options.dashboard?.show(run: folder.path)
  }

  func note(_ kind: RunLog.Line.Kind, _ text: String) throws {
    try folder.note(RunLog.Line(kind, text, step: step))
  }

  func add(_ event: TrainingEvent) throws {
    recorder.add(event, at: .now)
    if case .step(let report) = event { step = report.step }
    if let note = event.note { try self.note(note.kind, note.text) }
  }

  func addCheckpoint(step: Int) { recorder.addCheckpoint(step: step, now: Date().timeIntervalSince1970) }

  /// Shows the run as it is now, if the last time is long enough ago. Called ten times a second.
  ///
  /// - Parameter warn: gets what the user should know.
  /// - Throws: an error that names the file of metrics if it cannot be written.
  func tick(_ coordinator: Coordinator, _ statistics: RunStatistics, warn: (String) -> Void) throws {
    let now = Instant.now
    guard now.seconds(since: lastShown) >= interval else { return }
    lastShown = now
    try folder.showLines()
    writer.write(
      recorder.status(Self.network(coordinator), statistics, now: (Date().timeIntervalSince1970, now)))
    if !hasWarned, let failure = writer.takeFailure() {
      hasWarned = true
      warn("those who watch the run do not see how it is: \(failure)")
    }
  }

  /// Shows how the run has ended. Nothing fails by it.
  func end(_ coordinator: Coordinator, _ statistics: RunStatistics, failure: String?) {
    ended = failure == nil ? .completed : .failed
    try? note(failure == nil ? .ended : .error, failure ?? "completed")
    writer.write(
      recorder.ended(
        Self.network(coordinator), statistics, failure: failure, now: (Date().timeIntervalSince1970, .now)))
    writer.finish()
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
