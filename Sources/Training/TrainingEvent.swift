/// What a run reports while it goes.
public enum TrainingEvent: Sendable {
  /// A worker of so many compute threads can compute from now on; `count` workers can.
  case workerJoined(name: String, number: Int, threads: Int, count: Int)
  /// A worker is gone, and why; `count` are left.
  case workerLeft(name: String, number: Int, reason: String, count: Int)
  /// Nobody can compute; once a second. After `limit` seconds the run ends.
  case waiting(seconds: Int, limit: Int)
  /// A step's update is done, or skipped.
  case step(StepReport)
  /// The test part was computed.
  case evaluation(EvaluationReport)
  /// A worker whose bits are not the run's takes part all the same, as the user has allowed.
  case otherNumerics(String)
  /// Something a user should know that does not stop the run.
  case warning(String)
}

/// One step.
public struct StepReport: Sendable {
  /// Steps done with this one, skipped ones counted.
  public var step: Int
  /// The epoch that it belongs to, from 1.
  public var epoch: Int
  /// Examples in it.
  public var examples: Int
  /// The mean loss over them, before the update.
  public var loss: Double
  /// The share of them classified right; nil for regression.
  public var accuracy: Double?
  /// Whether it had no update, because something was not finite.
  public var isSkipped = false
  /// From its start to the last chunk's update.
  public var seconds: Double
  /// Each worker's seconds of compute threads, by worker number.
  public var computeSeconds: [(worker: Int, seconds: Double)]
  /// What the coordinator's thread spent of ``seconds`` on sums and updates.
  public var sumUpdateSeconds = 0.0
  /// What it spent in socket calls, sending and receiving.
  public var sendSeconds = 0.0
  /// The learning rate of its update.
  public var learningRate = 0.0
}

/// One evaluation of the test part.
public struct EvaluationReport: Sendable {
  /// Updates done.
  public var step: Int
  /// Epochs done, the last perhaps not to its end.
  public var epoch: Int
  /// Examples in the test part.
  public var examples: Int
  /// The mean loss over them.
  public var loss: Double
  /// The share of them classified right; nil for regression.
  public var accuracy: Double?
  /// 1 − squared error / variation of the targets; nil for classification.
  public var r2: Double?
  /// How long it took.
  public var seconds: Double
}
