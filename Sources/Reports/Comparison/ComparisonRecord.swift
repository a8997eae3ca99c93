package import Cluster
package import Foundation
internal import Optimizers
package import Protocol
package import Runs

/// How, where and when a comparison was made.
package struct Provenance: Sendable {
  /// Quoted for a shell.
  package var command: String
  package var machine: Machine
  package var date: Date
  package var version: String

  /// ISO 8601, in UTC.
  package var dateText: String { date.formatted(.iso8601) }

  package init(command: String, machine: Machine, date: Date, version: String) {
    (self.command, self.machine, self.date, self.version) = (command, machine, date, version)
  }
}

/// `comparison.json`: everything that the report shows.
package struct ComparisonRecord: Encodable {
  package struct Run: Encodable {
    package let name: String
    package let folder: String
    package let optimizer: String
    package let workers: Int
    package let threads: Int
    package let batchSize: Int
    package let microBatches: Int
    package let learningRate: Double
    package let stateBytesPerParameter: Double
    package let status: String
    package let error: String?
    package let summary: RunSummary?
    package let examplesPerSecond: Double?
    package let speedUp: Double?
    package let efficiency: Double?
    /// Whether it gave the same bits as the first completed run of its job.
    package let equal: Bool?
    package let epochs: [RunHistory.Epoch]
    /// Means over all steps.
    package let secondsPerStep: TimeSplit?
    package let curve: [RunHistory.CurvePoint]
  }

  package let command: String
  package let date: String
  package let version: String
  package let machine: Machine
  package let verdict: [String]
  package let error: String?
  /// The job of the first run.
  package let job: Job?
  package let runs: [Run]
  package let notes: [String]
  package let ranking: Ranking?

  package init(_ comparison: Comparison, _ provenance: Provenance) {
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

  package var json: String {
    get throws {
      try jsonText(self)
    }
  }
}
