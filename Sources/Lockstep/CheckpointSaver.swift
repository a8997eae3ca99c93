internal import Cluster
internal import Foundation
internal import Protocol
internal import Runs

/// Decides when a run is saved, and has it done.
final class CheckpointSaver {
  private let plan: StepPlan
  private let interval: CheckpointInterval
  private let writer: CheckpointWriter
  private var lastSave = Instant.now
  /// The last step that was handed over, or at which the run began.
  private var lastStep: Int
  /// The step at which the folder's run goes on, which is saved.
  private let resumed: Int?

  /// - Parameters:
  ///   - start: the steps done at the beginning.
  ///   - saved: the step of the checkpoint that `store` has of it, where it has one.
  init(
    _ store: CheckpointStore, _ prepared: PreparedJob, every interval: CheckpointInterval, start: Int, saved: Int?
  ) {
    plan = prepared.plan
    self.interval = interval
    writer = CheckpointWriter(store, prepared)
    lastStep = start
    resumed = saved
  }

  /// The newest step that is saved.
  var lastSaved: Int? { writer.lastWritten ?? resumed }

  /// Whether the run is to be saved after `event`: between two steps, an evaluation that is due being done.
  func isDue(_ event: TrainingEvent) -> Bool {
    let step: Int
    switch event {
    case .step(let report):
      guard plan.testCount == 0 || !plan.isEvaluationDue(afterStep: report.step - 1) else { return false }
      step = report.step
    case .evaluation(let report): step = report.step
    case .workerJoined, .workerLeft, .waiting, .otherNumerics, .warning: return false
    }
    guard step < plan.totalSteps, !writer.isBusy else { return false }
    return switch interval {
    case .steps(let steps): step - lastStep >= steps
    case .seconds(let seconds): Instant.now.seconds(since: lastSave) >= seconds
    }
  }

  /// Saves `checkpoint` while the run goes on.
  func save(_ checkpoint: Checkpoint) {
    lastSave = .now
    lastStep = checkpoint.state.step
    writer.write(checkpoint)
  }

  /// Saves `checkpoint` unless it is saved, and waits until that is done.
  func saveAtOnce(_ checkpoint: Checkpoint) throws {
    writer.finish()
    guard checkpoint.state.step > 0, checkpoint.state.step != lastSaved else { return }
    writer.write(checkpoint)
    writer.finish()
    if lastSaved != checkpoint.state.step, let failure = writer.takeFailures().last { throw failure }
  }

  /// Waits for what is being saved.
  func finish() { writer.finish() }

  /// What could not be saved since the last call.
  func takeFailures() -> [any Error] { writer.takeFailures() }
}
