internal import Foundation
internal import Optimizers
internal import Runs
internal import Schema

/// A comparison as a table with a row per run.
package struct ComparisonTable: Equatable, Sendable {
  /// Texts are left-aligned, numbers right-aligned.
  package struct Column: Equatable, Sendable {
    package var title: String
    package var isText = false
  }

  package private(set) var columns: [Column]
  package private(set) var rows: [[String]]
  /// Explanations of the columns, one per line.
  package private(set) var notes: [String]
  /// Why runs failed, one run per line.
  package private(set) var failures: [String]

  package init(columns: [Column], rows: [[String]], notes: [String]) {
    (self.columns, self.rows, self.notes, failures) = (columns, rows, notes, [])
  }

  package init(_ comparison: Comparison) {
    let runs = comparison.runs
    let namesOptimizer = runs.contains { $0.configuration.namesOptimizer }
    let namesThreads = runs.contains { $0.configuration.namesThreads }
    let scalesLearningRate = runs.contains { $0.configuration.learningRateFactor != 1 }
    columns = []
    if namesOptimizer { columns.append(Column(title: "optimizer", isText: true)) }
    if namesOptimizer { columns.append(Column(title: "state bytes")) }
    columns.append(Column(title: "workers"))
    if namesThreads { columns.append(Column(title: "threads")) }
    columns.append(Column(title: "batch"))
    if scalesLearningRate { columns.append(Column(title: "learning rate")) }
    let parts = comparison.shownParts
    for part in parts {
      let name = part?.rawValue ?? "train"
      columns.append(Column(title: "\(name) loss"))
      columns += comparison.score(of: part).map { [Column(title: "\(name) \($0.title)")] } ?? []
    }
    columns += ["wall time", "examples/s", "speed-up", "effi- ciency", "equal bits"].map { Column(title: $0) }
    rows = runs.indices.map { index in
      let run = runs[index]
      var row: [String] = []
      if namesOptimizer { row.append(run.configuration.optimizer ?? "") }
      if namesOptimizer { row.append(bytes(run.stateBytesPerParameter)) }
      row.append(grouped(run.configuration.workers))
      if namesThreads { row.append(grouped(run.configuration.threads)) }
      row.append(grouped(run.job.batchSize))
      if scalesLearningRate { row.append(String(format: "%.4g", run.job.optimizer.learningRate)) }
      let summary = run.isCompleted ? run.summary : nil
      for part in parts {
        let figures = summary?.figures(of: part) ?? [:]
        row.append(figures["loss"].map(format) ?? "–")
        if let score = comparison.score(of: part) { row.append(figures[score.name].map(format) ?? "–") }
      }
      row.append((summary?.seconds).map(duration) ?? "–")
      row.append((run.isCompleted ? run.history?.examplesASecond : nil).map { grouped(Int($0.rounded())) } ?? "–")
      row.append(comparison.speedUp(index).map { String(format: "%.2f×", $0) } ?? "–")
      row.append(comparison.efficiency(index).map { String(format: "%.0f %%", 100 * $0) } ?? "–")
      switch run.outcome {
      case .completed: row.append(comparison.isEqual(index).map { $0 ? "yes" : "NO" } ?? "–")
      case .failed: row.append("failed")
      case .notRun: row.append("not run")
      }
      return row
    }
    notes = [
      "Wall time runs from the first worker's joining to the end, evaluations included.",
      "Examples/s: examples trained over the steps' time alone. Speed-up: its ratio to the first run"
        + (namesOptimizer ? " of the same optimizer." : "."),
      namesThreads
        ? "Efficiency: speed-up over the ratio of compute threads (workers × threads)."
        : "Efficiency: speed-up over the ratio of workers.",
      "Equal bits: whether the parameters after every epoch, and the last ones, are those of the first run of the same "
        + "job; – where no other run has that job.",
    ]
    if namesOptimizer { notes.append("State bytes: what the coordinator holds for each parameter beside it.") }
    notes += comparison.notes.map { $0 + "." }
    failures = runs.compactMap { run in run.error.map { "\(run.configuration.label) failed: \(oneLine($0))" } }
  }

  /// For a terminal. Titles of several words take two lines.
  package var lines: [String] {
    let titles = columns.map { column in
      let words = column.title.split(separator: " ", maxSplits: 1).map(String.init)
      return words.count > 1 ? words : ["", column.title]
    }
    let numbers = columns.indices.filter { !columns[$0].isText }
    return table([titles.map { $0[0] }, titles.map { $0[1] }] + rows, numbers: Set(numbers), titles: 2)
  }

  package static func plain(_ title: String) -> String { title.replacing("effi- ciency", with: "efficiency") }
}

extension Comparison {
  /// The parts whose results are shown: those that the runs evaluate, or else the training part, which is nil.
  fileprivate var shownParts: [HeldOutPart?] { parts.isEmpty ? [nil] : parts }

  /// The figure that is shown next to the loss of `part`; nil if there is none. The training part may have fewer figures.
  fileprivate func score(of part: HeldOutPart?) -> Figure? {
    part != nil ? figures.first : figures.first { figure in runs.contains { $0.summary?.train[figure.name] != nil } }
  }

  /// The parts that have columns in the CSV file. It has those of the test part even where there is none.
  private var csvParts: [HeldOutPart] { HeldOutPart.allCases.filter { $0 == .test || parts.contains($0) } }

  /// The table as CSV: a row per run; numbers with a decimal point and without units; missing values are empty.
  package var csv: String {
    let names = ["loss"] + figures.map(\.name)
    let titles =
      [
        "name", "optimizer", "workers", "threads", "batch_size", "micro_batches", "learning_rate", "status",
      ] + names.map { "train_" + $0 } + csvParts.flatMap { part in names.map { "\(part)_\($0)" } } + [
        "seconds", "examples_per_second", "speed_up", "efficiency", "equal", "state_bytes_per_parameter",
        "loss_at_equal_steps", "rank_at_equal_steps",
        "loss_at_equal_time", "rank_at_equal_time", "parameters_sha256", "folder", "error",
      ]
    let ranking = Ranking(self)
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    let rows = runs.indices.map { index in
      let (run, summary) = (runs[index], runs[index].summary)
      let start = [
        run.configuration.name, run.job.optimizer.name, "\(run.configuration.workers)", "\(run.configuration.threads)",
        "\(run.job.batchSize)", "\(run.job.microBatches)", "\(run.job.optimizer.learningRate)", run.status,
      ]
      let values =
        names.map { summary?.train[$0] } + csvParts.flatMap { part in names.map { summary?.figures(of: part)[$0] } } + [
          summary?.seconds, run.history?.examplesASecond, speedUp(index), efficiency(index),
        ]
      let place = ranking?.rows.first { $0.optimizer == run.job.optimizer.name }
      let middle = [
        isEqual(index).map { $0 ? "yes" : "no" } ?? "", bytes(run.stateBytesPerParameter),
        text(place?.lossAtEqualSteps),
        place?.rankAtEqualSteps.map { "\($0)" } ?? "", text(place?.lossAtEqualTime),
        place?.rankAtEqualTime.map { "\($0)" } ?? "",
      ]
      let end = [summary?.parametersSHA256 ?? "", run.folder, run.error ?? ""]
      return start + values.map(text) + middle + end
    }
    return ([titles] + rows).map { $0.map(csvField).joined(separator: ",") + "\n" }.joined()
  }
}

extension Comparison.Run {
  /// The outcome in CSV and JSON.
  package var status: String {
    switch outcome {
    case .notRun: "not run"
    case .completed: "completed"
    case .failed: "failed"
    }
  }

  package var error: String? { if case .failed(let reason) = outcome { reason } else { nil } }
}
