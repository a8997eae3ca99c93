/// What a run reports while it goes.
package enum TrainingEvent: Sendable {
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
package struct StepReport: Sendable {
  /// Steps done with this one, skipped ones counted.
  package var step: Int
  /// The epoch that it belongs to, from 1.
  package var epoch: Int
  /// Examples in it.
  package var examples: Int
  /// The mean loss over them, before the update.
  package var loss: Double
  /// The share of them classified right; nil for regression.
  package var accuracy: Double?
  /// Whether it had no update, because something was not finite.
  package var isSkipped = false
  /// From its start to the last chunk's update.
  package var seconds: Double
  /// Each worker's seconds of compute threads, by worker number.
  package var computeSeconds: [(worker: Int, seconds: Double)]
  /// What the coordinator's thread spent of ``seconds`` on sums and updates.
  package var sumUpdateSeconds = 0.0
  /// What it spent in socket calls, sending and receiving.
  package var sendSeconds = 0.0
  /// The learning rate of its update.
  package var learningRate = 0.0

  package init(
    step: Int, epoch: Int, examples: Int, loss: Double, accuracy: Double? = nil, isSkipped: Bool = false,
    seconds: Double, computeSeconds: [(worker: Int, seconds: Double)], sumUpdateSeconds: Double = 0.0,
    sendSeconds: Double = 0.0, learningRate: Double = 0.0
  ) {
    self.step = step
    self.epoch = epoch
    self.examples = examples
    self.loss = loss
    self.accuracy = accuracy
    self.isSkipped = isSkipped
    self.seconds = seconds
    self.computeSeconds = computeSeconds
    self.sumUpdateSeconds = sumUpdateSeconds
    self.sendSeconds = sendSeconds
    self.learningRate = learningRate
  }
}

/// One evaluation of the test part.
package struct EvaluationReport: Sendable {
  /// Updates done.
  package var step: Int
  /// Epochs done, the last perhaps not to its end.
  package var epoch: Int
  /// Examples in the test part.
  package var examples: Int
  /// The mean loss over them.
  package var loss: Double
  /// The share of them classified right; nil for regression.
  package var accuracy: Double?
  /// 1 − squared error / variation of the targets; nil for classification.
  package var r2: Double?
  /// How long it took.
  package var seconds: Double

  package init(
    step: Int, epoch: Int, examples: Int, loss: Double, accuracy: Double? = nil, r2: Double? = nil, seconds: Double
  ) {
    self.step = step
    self.epoch = epoch
    self.examples = examples
    self.loss = loss
    self.accuracy = accuracy
    self.r2 = r2
    self.seconds = seconds
  }
}
