package import Datasets
internal import Optimizers
package import Runs
internal import Schema

/// What a comparison runs: each optimizer with each number of workers and each number of threads.
package struct ComparisonGrid: Equatable, Sendable {
  /// How the learning rate changes with a batch that is k times as large.
  package enum LearningRateScaling: String, CaseIterable, Codable, Sendable {
    /// k times.
    case linear
    /// √k times.
    case sqrt

    package func factor(_ workers: Int) -> Double { self == .linear ? Double(workers) : Double(workers).squareRoot() }
  }

  /// Empty for the job's own optimizer.
  package var optimizers: [String] = []
  package var workers = [1]
  package var threads = [1]
  /// Weak scaling: batch and micro-batches are multiplied by the workers.
  package var scalesBatch = false
  package var learningRateScaling: LearningRateScaling?

  package init(
    optimizers: [String] = [], workers: [Int] = [1], threads: [Int] = [1], scalesBatch: Bool = false,
    learningRateScaling: LearningRateScaling? = nil
  ) {
    (self.optimizers, self.workers, self.threads) = (optimizers, workers, threads)
    (self.scalesBatch, self.learningRateScaling) = (scalesBatch, learningRateScaling)
  }

  package var configurations: [RunConfiguration] {
    (optimizers.isEmpty ? [nil] : optimizers.map(Optional.some)).flatMap { optimizer in
      workers.flatMap { workers in
        threads.map { threads in
          RunConfiguration(
            optimizer: optimizer, workers: workers, threads: threads, batchFactor: scalesBatch ? workers : 1,
            learningRateFactor: learningRateScaling?.factor(workers) ?? 1,
            optimizers: optimizers, namesThreads: self.threads.count > 1)
        }
      }
    }
  }
}

/// The settings in which a run of a comparison differs from the others.
package struct RunConfiguration: Equatable, Sendable {
  package var optimizer: String?
  package var workers: Int
  package var threads: Int
  package var batchFactor = 1
  package var learningRateFactor = 1.0
  /// All optimizers of the comparison; empty for the job's own.
  package var optimizers: [String] = []
  package var namesThreads = false

  /// Whether ``name`` contains the optimizer: if there are several.
  package var namesOptimizer: Bool { optimizers.count > 1 }

  /// The name of its folder, such as `adam-2-workers-3-threads`.
  package var name: String {
    [namesOptimizer ? optimizer : nil, "\(workers)-workers", namesThreads ? "\(threads)-threads" : nil]
      .compactMap { $0 }.joined(separator: "-")
  }

  /// The name in charts and errors, such as `adam, 2 workers of 3 threads`.
  package var label: String {
    (namesOptimizer ? (optimizer ?? "") + ", " : "") + count(workers, "worker")
      + (namesThreads ? " of \(count(threads, "thread"))" : "")
  }

  /// Whether both runs must give the same bits.
  package func hasSameJob(as other: RunConfiguration) -> Bool {
    optimizer == other.optimizer && batchFactor == other.batchFactor
      && learningRateFactor == other.learningRateFactor
  }

  /// The job's options for this run.
  package func options(_ base: JobOptions, _ data: LoadedData) throws -> JobOptions {
    var options = base
    if let optimizer { options = options.selecting(optimizer, among: optimizers) }
    guard batchFactor > 1 else { return options }
    let job = try options.resolve(data)
    do {
      try options.set("batch-size", to: "\(job.batchSize * batchFactor)")
      try options.set("micro-batches", to: "\(job.microBatches * batchFactor)")
      if learningRateFactor != 1 {
        try options.set("learning-rate", to: "\(job.optimizer.learningRate * learningRateFactor)")
      }
      _ = try options.resolve(data)
    } catch let error as OptionError {
      throw OptionError("--scale-batch for \(count(workers, "worker")): \(error)")
    }
    return options
  }
}
