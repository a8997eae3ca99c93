internal import Foundation
internal import Models
internal import Protocol
internal import Runs
internal import Schema

/// A sweep's result for a reader: lines for a terminal, a page, JSON and CSV.
package struct SweepReport {
  private let result: SweepResult
  private let provenance: Provenance
  private let headline: String
  /// The command that repeats a trial by itself.
  private let command: (Trial) -> String

  /// - Parameter headline: names the data and the model.
  package init(
    _ result: SweepResult, _ provenance: Provenance, headline: String, command: @escaping (Trial) -> String
  ) {
    (self.result, self.provenance, self.headline, self.command) = (result, provenance, headline, command)
  }

  /// Rules that have a result, the best first, then the others.
  private var rows: [SweepResult.Row] {
    result.rows.enumerated().sorted { left, right in
      let (one, other) = (deciding(left.element), deciding(right.element))
      return one == other ? left.offset < right.offset : one < other
    }.map(\.element)
  }

  private func deciding(_ row: SweepResult.Row) -> Double { (row.test ?? row.deciding)?.median ?? .infinity }

  /// Why the sweep's exit code is 1, in one line; nil if no trial has failed.
  package var failure: String? {
    let failed = result.rows.flatMap(\.failed)
    return failed.first.map {
      "\(count(failed.count, "trial")) failed, such as \($0.trial.name): \(oneLine($0.error ?? ""))"
    }
  }

  private var verdict: [String] {
    let runs = result.rows.reduce(0) { $0 + $1.runs }
    let diverged = result.rows.reduce(0) { $0 + $1.all.count { $0.outcome == .diverged } }
    var sentences = [
      "\(count(runs, "run")) of \(count(result.rows.count, "rule")) in \(duration(result.rows.reduce(0) { $0 + $1.totalSeconds })) of training"
        + (diverged > 0 ? ", \(grouped(diverged)) of them diverged" : "")
    ]
    if let best = rows.first, let spread = best.test ?? best.deciding, result.rows.count > 1 {
      sentences.append(
        "\(best.rule) has the least median \(result.hasTestPart ? "test" : result.part) loss, \(format(spread.median))"
      )
    }
    return sentences + result.remarks.map { $0.prefix(1).uppercased() + $0.dropFirst() }
  }

  // MARK: Tables

  private func text(_ spread: SweepResult.Spread?) -> String {
    spread.map { "\(number($0.median)) (\(number($0.lowerQuartile))–\(number($0.upperQuartile)))" } ?? "–"
  }

  private func number(_ value: Double) -> String { value.isFinite ? format(value) : "∞" }

  private func choices(_ row: SweepResult.Row) -> String {
    guard let best = row.progress.best else { return "–" }
    return best.choices.map { $0.option == Trial.rateOption ? $0.value : "\($0.option) \($0.value)" }
      .joined(separator: ", ")
  }

  private var results: ComparisonTable {
    var columns = [
      ComparisonTable.Column(title: "optimizer", isText: true),
      ComparisonTable.Column(title: "learning rate", isText: true),
      ComparisonTable.Column(title: "\(result.part) loss"),
    ]
    if result.hasTestPart { columns.append(ComparisonTable.Column(title: "test loss")) }
    let part = result.hasTestPart ? "test" : result.part
    if let figure = result.figure { columns.append(ComparisonTable.Column(title: "\(part) \(figure.title)")) }
    columns += ["against \(result.reference)", "interval (95 %)", "better on"].map { ComparisonTable.Column(title: $0) }
    let cells = rows.map { row in
      var cells = [row.rule, choices(row), text(row.deciding)]
      if result.hasTestPart { cells.append(text(row.test)) }
      if result.figure != nil { cells.append(text(row.score)) }
      guard let pairing = row.pairing else { return cells + ["–", "–", "–"] }
      return cells + [
        signed(pairing.difference),
        pairing.interval.map { "\(signed($0.lowerBound)) to \(signed($0.upperBound))" } ?? "–",
        "\(Int((100 * pairing.shareBetter).rounded())) %",
      ]
    }
    return ComparisonTable(
      columns: columns, rows: cells,
      notes: [
        "Medians over \(count(result.seeds.count, "seed")), with quartiles, of the best learning rate of each rule on the "
          + (result.part == "validation" ? "validation part" : "training itself, by the mean loss of its last epoch")
          + "; the test part decided nothing."
      ]
        + (result.halves
          ? [
            "The search was one of successive halving: all were run for a quarter of the steps, the better half of each rule for "
              + "half of them, and the better half of those for all. What is best only after many steps may have been lost."
          ] : []) + [
          "Against \(result.reference): the mean difference of the \(part) loss, seed by seed, its bootstrapped interval, and "
            + "the share of seeds with a smaller loss."
        ])
  }

  private func signed(_ value: Double) -> String { (value < 0 ? "−" : "+") + format(abs(value)) }

  private var costs: ComparisonTable {
    let target = result.target.map { " of \(format($0))" } ?? ""
    return ComparisonTable(
      columns: [ComparisonTable.Column(title: "optimizer", isText: true)]
        + [
          "steps to target", "examples to target", "seconds to target", "runs", "diverged rates", "training time",
          "state bytes", "update ms",
        ].map { ComparisonTable.Column(title: $0) },
      rows: rows.map { row in
        [
          row.rule, whole(row.steps), whole(row.examples),
          row.seconds.isFinite ? String(format: "%.2f", row.seconds) : "∞",
          "\(row.runs)", "\(row.diverged) of \(row.searched.count)", duration(row.totalSeconds),
          bytes(row.stateBytesPerParameter), row.updateSeconds.map { String(format: "%.3f", 1000 * $0) } ?? "–",
        ]
      },
      notes: [
        "To target: until half of the seeds have had an evaluation with a \(result.part) loss\(target) or less, "
          + (result.isTargetGiven ? "as given" : "the median of the best \(result.reference)'s at the end")
          + "; ∞ where more than half of them miss it. Seconds are those of steps, while other trials ran beside.",
        "State bytes: what the coordinator holds for each parameter beside it. Update: its time for the sums and the update "
          + "of a step.",
      ])
  }

  private func whole(_ value: Double) -> String { value.isFinite ? grouped(Int(value.rounded())) : "∞" }

  /// For a terminal.
  package var lines: [String] {
    let (results, costs) = (results, costs)
    return ["", headline, ""] + results.lines + [""] + results.notes + [""] + costs.lines + [""] + costs.notes + [""]
      + verdict
  }

  // MARK: The page

  package var html: String {
    let isGood = failure == nil
    let title = "\(count(result.rows.count, "optimizer")), each at its best learning rate"
    let charts = SweepCharts(result)
    let rows = rows.flatMap(\.finals)
    return Page(
      title,
      [
        .element("h1", [:], title), Page.byline(provenance), .element("p", [:], headline + "."),
        .element(
          "section", ["class": isGood ? "verdict good" : "verdict bad"],
          verdict.map { .element("p", [:], oneLine($0) + ".") }),
      ] + Page.table(results) + [.element("h2", [:], "What it costs")] + Page.table(costs)
        + [
          .element(
            "div", ["class": "figures"],
            [
              Page.figure(
                charts.sensitivity.svg(), "Learning rates",
                "The \(result.part) loss at the end by learning rate, the best of the other choices, with the first seed"
                  + (result.halves ? ", after a quarter of the steps. " : ". ")
                  + "Where a curve is interrupted, the run diverged."),
              Page.figure(
                charts.curves.svg(), "\(result.part.capitalized) loss by step",
                "Medians over the seeds at the best learning rate; the band is between the quartiles."),
              Page.figure(
                charts.budgets.svg(), "Best of n runs",
                "The median of the least \(result.part) loss among n runs that are drawn from those of the search: what a "
                  + "smaller budget would probably have found"
                  + (result.halves ? " after a quarter of the steps." : ".")),
            ]),
          .element("h2", [:], "To repeat it"), .element("pre", [:], [.element("code", [:], provenance.command)]),
          .element(
            "p", ["class": "note"],
            "Each run of the table by itself, with the sha256 of its parameters, which are the same bits on one kind of CPU for "
              + "any number of workers and threads:"),
          .element(
            "pre", [:],
            [.element("code", [:], rows.map { "\(command($0.trial))\n  \(digest($0))" }.joined(separator: "\n"))]),
        ]
    ).html
  }

  private func digest(_ result: TrialResult) -> String { result.summary.parametersSHA256 ?? result.error ?? "" }

  // MARK: Files

  private struct Record: Encodable {
    struct Row: Encodable {
      let optimizer: String
      let choices: [Trial.Choice]
      let runs, searched, diverged, failed: Int
      let isAtEdge: Bool
      let decidingLoss, testLoss, score: SweepResult.Spread?
      let difference, intervalLow, intervalHigh, shareBetter: Double?
      let stepsToTarget, examplesToTarget, secondsToTarget: Double?
      let stateBytesPerParameter: Double
      let updateSeconds: Double?
      let trainingSeconds: Double
      let bestOf: [Double?]
      let finals: [Final]
    }

    struct Final: Encodable {
      let seed: UInt64
      let command: String
      let parametersSHA256: String?
      let trainLoss, validationLoss, testLoss: Double?
    }

    let command, date, version, headline: String
    let verdict: [String]
    let reference, decidingPart: String
    let target: Double?
    let seeds: [UInt64]
    let rows: [Row]
  }

  package var json: String {
    get throws {
      func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
      let rows = result.rows.map { row in
        Record.Row(
          optimizer: row.rule, choices: row.progress.best?.choices ?? [], runs: row.runs, searched: row.searched.count,
          diverged: row.diverged, failed: row.failed.count, isAtEdge: row.progress.isAtEdge,
          decidingLoss: row.deciding, testLoss: row.test, score: row.score, difference: row.pairing?.difference,
          intervalLow: row.pairing?.interval?.lowerBound, intervalHigh: row.pairing?.interval?.upperBound,
          shareBetter: row.pairing?.shareBetter, stepsToTarget: finite(row.steps),
          examplesToTarget: finite(row.examples),
          secondsToTarget: finite(row.seconds), stateBytesPerParameter: row.stateBytesPerParameter,
          updateSeconds: row.updateSeconds, trainingSeconds: row.totalSeconds,
          bestOf: row.searched.isEmpty ? [] : Statistics.bestOf(row.searched.map(\.loss)).map(finite),
          finals: row.finals.map {
            Record.Final(
              seed: $0.trial.seed, command: command($0.trial), parametersSHA256: $0.summary.parametersSHA256,
              trainLoss: $0.summary.trainLoss, validationLoss: $0.summary.validationLoss,
              testLoss: $0.summary.testLoss)
          })
      }
      let record = Record(
        command: provenance.command, date: provenance.dateText, version: provenance.version, headline: headline,
        verdict: verdict, reference: result.reference, decidingPart: result.part, target: result.target,
        seeds: result.seeds, rows: rows)
      return try jsonText(record)
    }
  }

  /// A row for each trial; numbers without units, missing values are empty.
  package var csv: String {
    let titles = [
      "optimizer", "choices", "learning_rate", "seed", "length", "outcome", "validation_loss", "test_loss",
      "train_loss", "steps",
      "seconds", "parameters_sha256", "error",
    ]
    let rows = result.rows.flatMap(\.all).map { result in
      let summary = result.summary
      let others = result.trial.choices.filter { $0.option != Trial.rateOption }
      return [
        result.trial.rule, others.map { "\($0.option)=\($0.value)" }.joined(separator: " "), "\(result.trial.rate)",
        "\(result.trial.seed)", "\(1 / Double(result.trial.part ?? 1))", result.outcome.rawValue,
        summary.validationLoss.map { "\($0)" } ?? "",
        summary.testLoss.map { "\($0)" } ?? "", summary.trainLoss.map { "\($0)" } ?? "", "\(summary.steps)",
        "\(summary.seconds)", summary.parametersSHA256 ?? "", result.error ?? "",
      ]
    }
    return ([titles] + rows).map { $0.map(csvField).joined(separator: ",") + "\n" }.joined()
  }
}
