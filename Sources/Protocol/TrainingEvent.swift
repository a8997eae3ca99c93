package import Schema

package enum TrainingEvent: Sendable {
  /// A worker with `threads` compute threads has joined; `count` can compute now.
  case workerJoined(name: String, number: Int, threads: Int, count: Int)
  /// A worker has left; `count` can still compute.
  case workerLeft(name: String, number: Int, reason: String, count: Int)
  /// No worker can compute. Reported once a second; after `limit` seconds the run ends.
  case waiting(seconds: Int, limit: Int)
  /// From the next step on, so many workers sum parts of the gradient for the others and pass parameters on.
  case relays(count: Int)
  /// From now on only some of the workers compute, because their steps are shorter than those of all.
  case leftOut(computing: Int, of: Int, seconds: Double, allSeconds: Double)
  case step(StepReport)
  case evaluation(EvaluationReport)
  /// A worker with another digest takes part, because the user allows it.
  case otherNumerics(String)
  /// Something the user should know that does not end the run.
  case warning(String)
}

package struct StepReport: Sendable {
  /// Steps done including this one and skipped ones.
  package var step: Int
  package var epoch: Int
  package var examples: Int
  /// The divisor of means.
  package var weight: Double
  /// In the order of the model's ``MetricSchema``, before the update.
  package var sums: [Double]
  /// Whether it had no update: a value was not finite, or the examples had no weight.
  package var isSkipped: Bool
  /// From the step's start to the last chunk's update.
  package var seconds: Double
  /// By worker number.
  package var computeSeconds: [WorkerSeconds]
  /// The coordinator's time for sums and updates.
  package var sumUpdateSeconds = 0.0
  /// Of that, what a rule that transforms whole tensors needs for them.
  package var tensorSeconds = 0.0
  /// The coordinator's time in socket calls.
  package var sendSeconds = 0.0
  package var learningRate = 0.0

  /// The mean loss before the update; not a number if the weight is 0.
  package var loss: Double { sums[0] / weight }

  package init(
    step: Int, epoch: Int, examples: Int, weight: Double, sums: [Double], isSkipped: Bool = false, seconds: Double,
    computeSeconds: [WorkerSeconds], sumUpdateSeconds: Double = 0, sendSeconds: Double = 0
  ) {
    (self.step, self.epoch, self.examples) = (step, epoch, examples)
    (self.weight, self.sums, self.isSkipped) = (weight, sums, isSkipped)
    (self.seconds, self.computeSeconds) = (seconds, computeSeconds)
    (self.sumUpdateSeconds, self.sendSeconds) = (sumUpdateSeconds, sendSeconds)
  }
}

/// What a worker did in a step.
package struct WorkerSeconds: Sendable {
  package var worker: Int
  /// Of all its compute threads.
  package var seconds: Double
  /// Between which it had leaves, in seconds after the step's start.
  package var from: Double
  package var to: Double

  package init(worker: Int, seconds: Double, from: Double = 0, to: Double = 0) {
    (self.worker, self.seconds, self.from, self.to) = (worker, seconds, from, to)
  }
}

package struct EvaluationReport: Sendable {
  package var part: HeldOutPart
  /// Steps done.
  package var step: Int
  /// Epochs done; the last may be incomplete.
  package var epoch: Int
  package var examples: Int
  package var loss: Double
  /// By name, such as `accuracy`.
  package var figures: [String: Double]
  package var seconds: Double

  package init(
    part: HeldOutPart, step: Int, epoch: Int, examples: Int, loss: Double, figures: [String: Double], seconds: Double
  ) {
    (self.part, self.step, self.epoch, self.examples) = (part, step, epoch, examples)
    (self.loss, self.figures, self.seconds) = (loss, figures, seconds)
  }
}
