internal import Cluster
internal import Datasets
internal import Foundation
internal import Runs

/// `report.html`: one self-contained page, for readers who do not know the program.
package struct ComparisonReport {
  private let comparison: Comparison
  private let provenance: Provenance
  private let charts: ComparisonCharts

  package init(_ comparison: Comparison, _ provenance: Provenance) {
    (self.comparison, self.provenance) = (comparison, provenance)
    charts = ComparisonCharts(comparison)
  }

  /// Also well-formed XML.
  package var html: String {
    Page(title, opening + Page.table(ComparisonTable(comparison)) + ranking + figures + closing).html
  }

  private var title: String {
    "\(count(comparison.runs.count, "run")) on \(comparison.runs.first?.job.data.data ?? "")"
  }

  private var opening: [Markup] {
    let isGood = comparison.failure == nil && comparison.runs.allSatisfy(\.isCompleted)
    return [
      .element("h1", [:], title), Page.byline(provenance),
      .element(
        "section", ["class": isGood ? "verdict good" : "verdict bad"],
        comparison.verdict.map { .element("p", [:], $0 + ".") }),
    ]
  }

  private var ranking: [Markup] {
    guard let ranking = Ranking(comparison) else { return [] }
    return [.element("h2", [:], "The optimizers by train loss")] + Page.table(ComparisonTable(ranking))
  }

  private var figures: [Markup] {
    guard !charts.isEmpty else { return [.element("p", [:], "No run has done a step, so there is nothing to draw.")] }
    let (result, split) = (charts.resultByEpoch, charts.timeSplit)
    return [
      .element(
        "div", ["class": "figures"],
        [
          Page.figure(charts.lossBySteps.svg(), "Loss by step", "\(meanText) \(equalText)"),
          Page.figure(
            charts.lossByTime.svg(), "Loss by wall time",
            "The same curves over the time since the first worker joined, evaluations included."),
          Page.figure(result.svg(), result.title, "After each epoch. \(ringText)"),
          speed,
          Page.figure(
            split.svg(), "Where a step's time goes",
            "Means over all steps; the parts add up to the step's wall time. Sum and update: the coordinator's thread adds "
              + "gradients and updates parameters. Send: it is in socket calls, sending or receiving. Compute: of the rest, "
              + "what the worker that computed longest took (its compute seconds over its threads). Wait: what remains, "
              + "such as transfer, the workers' own sums, and waiting for the slowest."),
          details,
        ])
    ]
  }

  private var speed: Markup {
    let machine =
      "This machine has \(count(provenance.machine.cores, "core")); the coordinator runs on it too."
    guard !charts.hasOneSize else {
      return Page.figure(
        charts.throughputBars.svg(), "Examples a second", "Examples trained over the steps' time. \(machine)")
    }
    return Page.figure(
      charts.throughput.svg(), "Examples a second by workers",
      "Examples trained over the steps' time. Dotted: the first run's speed times the compute threads (workers × "
        + "threads). \(machine)")
  }

  private var meanText: String {
    let (least, most) = charts.stepsAPoint
    if most == 1 { return "A point a step: the mean loss over its examples, before its update." }
    return
      "A point is the mean over \(least == most ? "\(most)" : "\(least) to \(most)") steps, each before its update."
  }

  private var equalText: String {
    let groups = charts.coinciding
    guard !groups.isEmpty else { return "" }
    return groups.map { group in
      let names =
        group.count > 4
        ? "the \(group.count) runs from “\(group[0])” to “\(group[group.count - 1])”" : joined(group)
      return "Exactly on each other, one curve whose colours alternate: \(names)."
    }.joined(separator: " ")
  }

  private var ringText: String {
    let isShared = Series.coinciding(charts.resultByEpoch.series).contains { $0.count > 1 }
    return isShared
      ? "Where runs lie exactly on each other, their colours alternate and their dots are hollow." : ""
  }

  private var details: Markup {
    let job = comparison.runs.first?.job
    var shown = (job?.options ?? []).map { ($0.name, $0.value) }
    let jobs = comparison.runs.map { run in
      Dictionary(run.job.options.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
    let varying = shown.map(\.0).filter { name in jobs.contains { $0[name] != jobs[0][name] } }
    shown = shown.map { name, value in varying.contains(name) ? (name, "\(value) (the first run's)") : (name, value) }
    let rows = shown.map { name, value in
      Markup.element("div", [:], [.element("dt", [:], name), .element("dd", [:], value)])
    }
    return .element(
      "section", ["class": "details"],
      [
        .element("h2", [:], "The job"),
        .element("dl", [:], rows),
      ])
  }

  private var closing: [Markup] {
    [
      .element("h2", [:], "To repeat it"),
      .element("pre", [:], [.element("code", [:], provenance.command)]),
      .element(
        "p", ["class": "note"],
        "Parameters are the same bits on one kind of CPU for any number of workers and threads; times are this machine's. "
          + "Each run's folder holds its job, its metrics of every step, and its model; comparison.json holds all figures "
          + "of this page."),
    ]
  }

  private func joined(_ names: [String]) -> String {
    let separator = names.contains { $0.contains(",") } ? "; " : ", "
    return names.count < 2
      ? names.joined() : names.dropLast().joined(separator: separator) + " and " + names[names.count - 1]
  }
}
