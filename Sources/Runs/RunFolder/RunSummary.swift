internal import Crypto
internal import Foundation
package import Kernels
package import Protocol

/// A run's end in figures: `summary.json`.
package struct RunSummary: Codable, Sendable {
  /// `completed` or `failed`.
  package var status = "completed"
  /// The root cause of a failure.
  package var error: String?
  /// Who or what it was: a worker, a tensor, a signal, a folder; nil where it is none of these.
  package var culprit: String?
  /// Workers that took part, those that left counted.
  package var workers = 0
  /// Compute threads of a worker; of the one with the most where they differ.
  package var threads = 0
  /// Steps done, skipped ones counted.
  package var steps = 0
  /// Steps without an update, because something was not finite.
  package var skippedSteps = 0
  /// Epochs begun.
  package var epochs = 0
  /// Examples computed, repetitions counted.
  package var examplesSeen = 0
  /// The mean loss over the last epoch's examples, each before its step's update; skipped steps do not count. Nil without
  /// a step.
  package var trainLoss: Double?
  /// The share of them classified right.
  package var trainAccuracy: Double?
  /// The test part's mean loss under the last parameters; nil without a test part.
  package var testLoss: Double?
  /// The share of the test part classified right.
  package var testAccuracy: Double?
  /// 1 − squared error / variation of the test part's targets.
  package var testR2: Double?
  /// How many parameters the model has.
  package var parameterCount = 0
  /// SHA-256 of the parameter vector's little-endian float32 bytes, in layout order.
  package var parametersSHA256: String?
  /// From the first worker to the end.
  package var seconds = 0.0
  /// Where the steps' time went; evaluations are left out.
  package var stepTime = TimeSplit()
  /// The workers whose bits were not those of the run's first worker, where they were let in; nil where all had the same.
  package var otherNumerics: [String]?
  /// Steps over the time from the first step's start to the last one's end, evaluations left out.
  package var stepsPerSecond: Double?

  enum CodingKeys: String, CodingKey {
    case status, error, culprit, workers, threads, steps, epochs
    case skippedSteps = "skipped_steps"
    case examplesSeen = "examples_seen"
    case trainLoss = "train_loss"
    case trainAccuracy = "train_accuracy"
    case testLoss = "test_loss"
    case testAccuracy = "test_accuracy"
    case testR2 = "test_r2"
    case parameterCount = "parameter_count"
    case parametersSHA256 = "parameters_sha256"
    case seconds
    case otherNumerics = "other_numerics"
    case stepTime = "step_time"
    case stepsPerSecond = "steps_per_second"
  }

  /// An empty summary.
  package init() {}
}

/// SHA-256 of the vector's little-endian float32 bytes, in hex.
package func parametersSHA256(_ parameters: Floats) -> String {
  var hash = SHA256()
  hash.update(bufferPointer: parameters.bytes)
  return hash.finalize().map { String(format: "%02x", $0) }.joined()
}

/// Adds up a run's events: the present epoch's means, and in the end the summary.
package struct RunStatistics: Codable, Sendable {
  /// The summary so far.
  package private(set) var summary = RunSummary()
  /// The present epoch, from 1; 0 before the first step.
  package private(set) var epoch = 0
  private var epochExamples = 0
  private var epochLoss = 0.0
  private var epochCorrect = 0.0
  /// The compute threads of each worker.
  private var threads: [Int: Int] = [:]

  /// Nothing yet.
  package init() {}

  /// Takes in an event.
  package mutating func add(_ event: TrainingEvent) {
    switch event {
    case .workerJoined(_, let number, let count, _):
      summary.workers = max(summary.workers, number)
      summary.threads = max(summary.threads, count)
      threads[number] = count
    case .step(let report):
      if report.epoch != epoch {
        epoch = report.epoch
        (epochExamples, epochLoss, epochCorrect) = (0, 0, 0)
      }
      if report.isSkipped {
        summary.skippedSteps += 1
      } else {
        epochExamples += report.examples
        epochLoss += report.loss * Double(report.examples)
        if let accuracy = report.accuracy { epochCorrect += accuracy * Double(report.examples) }
      }
      summary.stepTime += TimeSplit(report, threads: threads)
      summary.steps = report.step
      summary.epochs = report.epoch
      summary.examplesSeen += report.examples
      let isMeasured = epochExamples > 0
      summary.trainLoss = isMeasured ? epochLoss / Double(epochExamples) : nil
      summary.trainAccuracy = isMeasured && report.accuracy != nil ? epochCorrect / Double(epochExamples) : nil
      let seconds = summary.stepTime.total
      summary.stepsPerSecond = seconds > 0 ? Double(report.step) / seconds : nil
    case .evaluation(let report):
      summary.testLoss = report.loss.isFinite ? report.loss : nil
      summary.testAccuracy = report.accuracy
      summary.testR2 = report.r2?.isFinite == true ? report.r2 : nil
    case .workerLeft(_, let number, _, _): threads[number] = nil
    case .otherNumerics(let text):
      // One line a worker that joins; a worker that comes back again and again must not fill the memory.
      if (summary.otherNumerics ?? []).count < 100 { summary.otherNumerics = (summary.otherNumerics ?? []) + [text] }
    case .waiting, .warning: break
    }
  }

  /// What of figures that were read cannot be; nil where all counts are within a range that further steps do not leave.
  var contradiction: String? {
    let counts = [
      ("workers", summary.workers), ("threads", summary.threads), ("steps", summary.steps),
      ("skipped steps", summary.skippedSteps), ("epochs", summary.epochs), ("examples", summary.examplesSeen),
      ("parameters", summary.parameterCount), ("epoch", epoch), ("examples of the epoch", epochExamples),
    ]
    return counts.first { !(0...1 << 60).contains($0.1) }.map { "the count of \($0.0) is \($0.1)" }
  }

  /// The figures so far, for a checkpoint `seconds` after the first worker joined.
  package func saved(seconds: Double) -> RunStatistics {
    var saved = self
    saved.summary.seconds = seconds
    return saved
  }

  /// The summary of a finished run.
  package func finished(_ parameters: Floats, seconds: Double, failure: TrainingError?) -> RunSummary {
    var summary = summary
    summary.status = failure == nil ? "completed" : "failed"
    summary.error = failure?.description
    summary.culprit = failure?.culprit
    summary.seconds = seconds
    summary.parameterCount = parameters.count
    summary.parametersSHA256 = parametersSHA256(parameters)
    return summary
  }
}
