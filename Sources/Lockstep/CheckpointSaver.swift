internal import Cluster
internal import Foundation
internal import Protocol
internal import Runs

/// Decides when to save a run, and starts the saving.
final class CheckpointSaver {
  private let plan: StepPlan
  private let interval: CheckpointInterval
  private let writer: CheckpointWriter
  private var lastSave = Instant.now
  /// The last step that was saved, or the step at which the run began.
  private var lastStep: Int
  /// The saved step from which the folder's run was resumed.
  private let resumed: Int?
  /// Whether the run was evaluated since the last save.
  private var isEvaluatedSinceSave = false

  /// - Parameters:
  ///   - start: steps done at the beginning.
  ///   - saved: the step of `store`'s checkpoint of the run, if there is one.
  init(_ store: CheckpointStore, _ prepared: PreparedJob, every interval: CheckpointInterval, start: Int, saved: Int?) {
    plan = prepared.plan
    self.interval = interval
    writer = CheckpointWriter(store, prepared)
    lastStep = start
    resumed = saved
  }

  var lastSaved: Int? { writer.lastWritten ?? resumed }

  /// Whether to save the run after `event`: between two steps, after an evaluation that is due.
  func isDue(_ event: TrainingEvent) -> Bool {
    let step: Int
    let isLast: Bool
    switch event {
    case .step(let report):
      // The state is that after the whole round.
      guard plan.stepAfter(report.step - 1) == report.step else { return false }
      guard plan.evaluatedPart == nil || !plan.isEvaluationDue(afterStep: report.step - 1) else { return false }
      step = report.step
      isLast = step == plan.totalSteps
    case .evaluation(let report):
      isEvaluatedSinceSave = true
      step = report.step
      isLast = step == plan.totalSteps && (report.part == .test || plan.testCount == 0)
    case .workerJoined, .workerLeft, .waiting, .relays, .leftOut, .otherNumerics, .warning: return false
    }
    guard !isLast, !writer.isBusy else { return false }
    return switch interval {
    case .steps(let steps): step - lastStep >= steps
    case .seconds(let seconds): Instant.now.seconds(since: lastSave) >= seconds
    }
  }

  /// Starts to save `checkpoint`; the run goes on meanwhile.
  func save(_ checkpoint: Checkpoint) {
    lastSave = .now
    lastStep = checkpoint.state.step
    isEvaluatedSinceSave = false
    writer.write(checkpoint)
  }

  /// Saves `checkpoint` if it is not saved, and waits for it.
  func saveAtOnce(_ checkpoint: Checkpoint) throws {
    writer.finish()
    guard checkpoint.state.step > 0, checkpoint.state.step != lastSaved || isEvaluatedSinceSave else { return }
    // This checkpoint takes the place of those that could not be written.
    _ = writer.takeFailures()
    writer.write(checkpoint)
    writer.finish()
    if let failure = writer.takeFailures().last { throw failure }
  }

  func finish() { writer.finish() }

  /// Takes the errors since the last call.
  func takeFailures() -> [any Error] { writer.takeFailures() }
}
