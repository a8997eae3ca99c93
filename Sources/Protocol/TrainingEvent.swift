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
  /// What means over them divide by.
  package var weight: Double
  /// Sums over them, before the update, in the order of the model's ``MetricSchema``.
  package var sums: [Double]
  /// Whether it had no update, because something was not finite or nothing had a weight.
  package var isSkipped: Bool
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

  /// The mean loss, before the update; not a number where nothing has a weight.
  package var loss: Double { sums[0] / weight }

  package init(
    step: Int, epoch: Int, examples: Int, weight: Double, sums: [Double], isSkipped: Bool = false, seconds: Double,
    computeSeconds: [(worker: Int, seconds: Double)], sumUpdateSeconds: Double = 0, sendSeconds: Double = 0
  ) {
    (self.step, self.epoch, self.examples) = (step, epoch, examples)
    (self.weight, self.sums, self.isSkipped) = (weight, sums, isSkipped)
    (self.seconds, self.computeSeconds) = (seconds, computeSeconds)
    (self.sumUpdateSeconds, self.sendSeconds) = (sumUpdateSeconds, sendSeconds)
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
  /// Figures by name, such as the accuracy.
  package var figures: [String: Double]
  /// How long it took.
  package var seconds: Double

  package init(step: Int, epoch: Int, examples: Int, loss: Double, figures: [String: Double], seconds: Double) {
    (self.step, self.epoch, self.examples) = (step, epoch, examples)
    (self.loss, self.figures, self.seconds) = (loss, figures, seconds)
  }
}
