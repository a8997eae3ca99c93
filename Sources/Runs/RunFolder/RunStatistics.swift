package import Kernels
package import Protocol
package import Schema

/// Adds up a run's events: the means of the current epoch and the summary.
package struct RunStatistics: Sendable {
  /// But for ``RunSummary/train`` of an epoch of which ``schema`` is known.
  private var stored = RunSummary()
  /// Nil before the first step.
  private var schema: MetricSchema?
  /// The current epoch, from 1; 0 before the first step.
  package private(set) var epoch = 0
  private var epochWeight = 0.0
  private var epochSums: [Double] = []
  private var threads: [Int: Int] = [:]

  package init() {}

  /// The summary so far. Its means are computed here, because there may be ten thousand steps a second.
  package var summary: RunSummary {
    guard let schema else { return stored }
    var summary = stored
    summary.train = schema.values(weight: epochWeight, epochSums)
    if epochWeight > 0 { summary.train["loss"] = epochSums[0] / epochWeight }
    return summary
  }

  /// Adds an event; `schema` describes the model's sums.
  package mutating func add(_ event: TrainingEvent, _ schema: MetricSchema) {
    switch event {
    case .workerJoined(_, let number, let count, _):
      stored.workers = max(stored.workers, number)
      stored.threads = max(stored.threads, count)
      threads[number] = count
    case .step(let report):
      if report.epoch != epoch {
        epoch = report.epoch
        (epochWeight, epochSums) = (0, [])
      }
      if report.isSkipped {
        stored.skippedSteps += 1
      } else {
        epochWeight += report.weight
        epochSums = epochSums.isEmpty ? report.sums : zip(epochSums, report.sums).map(+)
      }
      stored.stepTime += TimeSplit(report, threads: threads)
      stored.steps = report.step
      stored.epochs = report.epoch
      stored.examplesSeen += report.examples
      if self.schema == nil { self.schema = schema }
      let seconds = stored.stepTime.total
      stored.stepsPerSecond = seconds > 0 ? Double(report.step) / seconds : nil
    case .evaluation(let report):
      var figures = report.figures
      figures["loss"] = report.loss.isFinite ? report.loss : nil
      switch report.part {
      // A test before it was of other parameters.
      case .validation: (stored.validation, stored.test) = (figures, [:])
      case .test: stored.test = figures
      }
    case .workerLeft(_, let number, _, _): threads[number] = nil
    case .otherNumerics(let text):
      // Bounded, because a worker may join again and again.
      if (stored.otherNumerics ?? []).count < 100 { stored.otherNumerics = (stored.otherNumerics ?? []) + [text] }
    case .waiting, .relays, .leftOut, .warning: break
    }
  }

  /// A decoded number out of its range; nil if there is none.
  var contradiction: String? {
    let counts = [
      ("workers", summary.workers), ("threads", summary.threads), ("steps", summary.steps),
      ("skipped steps", summary.skippedSteps), ("epochs", summary.epochs), ("examples", summary.examplesSeen),
      ("parameters", summary.parameterCount), ("epoch", epoch),
    ]
    if let count = counts.first(where: { !(0...1 << 60).contains($0.1) }) {
      return "the count of \(count.0) is \(count.1)"
    }
    return (0...0x1p60).contains(epochWeight) ? nil : "the weight of the epoch is \(epochWeight)"
  }

  /// The statistics for a checkpoint, `seconds` after the first worker joined.
  package func saved(seconds: Double) -> RunStatistics {
    var saved = self
    saved.stored.seconds = seconds
    return saved
  }

  /// - Parameters:
  ///   - parameters: with the statistics after them.
  ///   - stateBytes: what the coordinator holds for each parameter beside it.
  package func finished(
    _ parameters: Floats, of layout: ParameterLayout, stateBytes: Double, seconds: Double, failure: TrainingError?
  ) -> RunSummary {
    var summary = summary
    summary.status = failure == nil ? "completed" : "failed"
    summary.error = failure?.description
    summary.culprit = failure?.culprit
    summary.seconds = seconds
    summary.parameterCount = layout.parameterCount
    summary.stateBytesPerParameter = stateBytes
    summary.parametersSHA256 = parametersSHA256(parameters)
    return summary
  }
}

extension RunStatistics: Codable {
  private enum CodingKeys: String, CodingKey {
    case summary, epoch, epochWeight, epochSums, threads
    /// Earlier versions wrote these instead of the weight and the sums.
    case epochExamples, epochLoss, epochCorrect
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    stored = try container.decode(RunSummary.self, forKey: .summary)
    epoch = try container.decode(Int.self, forKey: .epoch)
    threads = try container.decode([Int: Int].self, forKey: .threads)
    if let weight = try container.decodeIfPresent(Double.self, forKey: .epochWeight) {
      epochWeight = weight
      epochSums = try container.decode([Double].self, forKey: .epochSums)
    } else {
      epochWeight = Double(try container.decode(Int.self, forKey: .epochExamples))
      // The squared error of a regression was not written; no training metric needs it.
      epochSums = [
        try container.decode(Double.self, forKey: .epochLoss), try container.decode(Double.self, forKey: .epochCorrect),
      ]
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(summary, forKey: .summary)
    try container.encode(epoch, forKey: .epoch)
    try container.encode(threads, forKey: .threads)
    try container.encode(epochWeight, forKey: .epochWeight)
    try container.encode(epochSums, forKey: .epochSums)
  }
}
