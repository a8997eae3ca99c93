internal import Foundation

/// Where a comparison comes from.
struct Provenance: Sendable {
  /// As a shell takes it.
  var command: String
  var machine: Machine
  var date: Date
  var version: String

  /// The date in UTC.
  var dateText: String { date.formatted(.iso8601) }
}

/// `comparison.json`: everything that the report shows.
struct ComparisonRecord: Encodable {
  struct Run: Encodable {
    let name: String
    let folder: String
    let optimizer: String
    let workers: Int
    let threads: Int
    let batchSize: Int
    let microBatches: Int
    let learningRate: Double
    let stateBytesPerParameter: Int
    let status: String
    let error: String?
    let summary: RunSummary?
    let examplesPerSecond: Double?
    let speedUp: Double?
    let efficiency: Double?
    /// Whether it is the same bits as the first completed run of its job.
    let equal: Bool?
    let epochs: [RunHistory.Epoch]
    /// Means a step.
    let secondsPerStep: TimeSplit?
    let curve: [RunHistory.CurvePoint]
  }

  let command: String
  let date: String
  let version: String
  let machine: Machine
  let verdict: [String]
  let error: String?
  /// The first run's.
  let job: Job?
  let runs: [Run]
  /// What options the optimizers do not share.
  let notes: [String]
  let ranking: Ranking?

  init(_ comparison: Comparison, _ provenance: Provenance) {
    command = provenance.command
    date = provenance.dateText
    version = provenance.version
    machine = provenance.machine
    verdict = comparison.verdict
    error = comparison.failure
    job = comparison.runs.first?.job
    notes = comparison.notes
    ranking = Ranking(comparison)
    runs = comparison.runs.indices.map { index in
      let run = comparison.runs[index]
      return Run(
        name: run.configuration.name, folder: run.folder, optimizer: run.job.optimizer.name,
        workers: run.configuration.workers, threads: run.configuration.threads, batchSize: run.job.batchSize,
        microBatches: run.job.microBatches, learningRate: run.job.optimizer.learningRate,
        stateBytesPerParameter: run.stateBytesPerParameter, status: run.status,
        error: run.error, summary: run.summary, examplesPerSecond: run.history?.examplesASecond,
        speedUp: comparison.speedUp(index), efficiency: comparison.efficiency(index), equal: comparison.isEqual(index),
        epochs: run.history?.epochs ?? [], secondsPerStep: run.history?.timesAStep, curve: run.history?.curve ?? [])
    }
  }

  var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
  }
}
