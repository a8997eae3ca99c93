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

  /// Starts to save `checkpoint`; the run goes on meanwhile.
  func save(_ checkpoint: Checkpoint) {
    lastSave = .now
    lastStep = checkpoint.state.step
    writer.write(checkpoint)
  }

  /// Saves `checkpoint` if it is not saved, and waits for it.
  func saveAtOnce(_ checkpoint: Checkpoint) throws {
    writer.finish()
    guard checkpoint.state.step > 0, checkpoint.state.step != lastSaved else { return }
    writer.write(checkpoint)
    writer.finish()
    if lastSaved != checkpoint.state.step, let failure = writer.takeFailures().last { throw failure }
  }

  func finish() { writer.finish() }

  /// Takes the errors since the last call.
  func takeFailures() -> [any Error] { writer.takeFailures() }
}
