internal import Foundation

/// Decides when a run is saved, and has it done.
final class CheckpointSaver {
  private let plan: StepPlan
  private let interval: CheckpointInterval
  private let writer: CheckpointWriter
  private var lastSave = Instant.now
  /// The newest step that was saved, or handed over to be.
  private(set) var lastStep: Int?

  init(_ store: CheckpointStore, _ prepared: PreparedJob, every interval: CheckpointInterval, resumed step: Int?) {
    plan = prepared.plan
    self.interval = interval
    writer = CheckpointWriter(store, prepared)
    lastStep = step
  }

  /// Whether the run is to be saved after `event`: between two steps, an evaluation that is due being done.
  func isDue(_ event: TrainingEvent) -> Bool {
    let step: Int
    switch event {
    case .step(let report):
      guard plan.testCount == 0 || !plan.isEvaluationDue(afterStep: report.step - 1) else { return false }
      step = report.step
    case .evaluation(let report): step = report.step
    case .workerJoined, .workerLeft, .warning: return false
    }
    guard step < plan.totalSteps, !writer.isBusy else { return false }
    return switch interval {
    case .steps(let steps): step - (lastStep ?? 0) >= steps
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
    if checkpoint.state.step != lastStep {
      guard checkpoint.state.step > 0 else { return }
      writer.write(checkpoint)
    }
    try writer.finish()
    lastStep = checkpoint.state.step
  }

  /// Waits for what is being saved.
  func finish() throws { try writer.finish() }

  /// What could not be saved since the last call.
  func takeFailures() -> [any Error] { writer.takeFailures() }
}
