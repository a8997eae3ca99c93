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
    let head = Markup.element(
      "head", [:],
      [
        .element("meta", ["charset": "utf-8"]),
        .element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
        .element("title", [:], title),
        .element("style", [:], [Markup(source: ChartStyle.styleSheet + ComparisonReport.styleSheet)]),
      ])
    let body = Markup.element(
      "body", [:], [.element("main", [:], opening + table(ComparisonTable(comparison)) + ranking + figures + closing)])
    return "<!DOCTYPE html>\n" + Markup.element("html", ["lang": "en"], [head, body]).description + "\n"
  }

  private var title: String {
    "\(count(comparison.runs.count, "run")) on \(comparison.runs.first?.job.data.data ?? "")"
  }

  private var opening: [Markup] {
    let isGood = comparison.failure == nil && comparison.runs.allSatisfy(\.isCompleted)
    return [
      .element("h1", [:], title),
      .element(
        "p", ["class": "byline"],
        "Lockstep \(provenance.version) · \(provenance.dateText) · \(count(provenance.machine.cores, "core")) of "
          + "\(provenance.machine.processor) · \(provenance.machine.system)"),
      .element(
        "section", ["class": isGood ? "verdict good" : "verdict bad"],
        comparison.verdict.map { .element("p", [:], $0 + ".") }),
    ]
  }

  private var ranking: [Markup] {
    guard let ranking = Ranking(comparison) else { return [] }
    return [.element("h2", [:], "The optimizers by train loss")] + table(ComparisonTable(ranking))
  }

  private func table(_ table: ComparisonTable) -> [Markup] {
    func kind(_ column: Int) -> String? { table.columns[column].isText ? "text" : nil }
    let head = table.columns.indices.map { column in
      Markup.element(
        "th", ["scope": "col", "class": kind(column)], ComparisonTable.plain(table.columns[column].title))
    }
    let rows = table.rows.map { row in
      Markup.element(
        "tr", [:],
        row.enumerated().map { column, text in
          let isBad = column == row.count - 1 && ["NO", "failed", "not run"].contains(text)
          return .element("td", ["class": isBad ? "bad" : kind(column)], text)
        })
    }
    let parts = [Markup.element("thead", [:], [.element("tr", [:], head)]), .element("tbody", [:], rows)]
    let failures = table.failures.map { Markup.element("p", ["class": "bad"], $0) }
    return [.element("div", ["class": "scroll"], [.element("table", [:], parts)])] + failures
      + [.element("p", ["class": "note"], table.notes.joined(separator: " "))]
  }

  private var figures: [Markup] {
    guard !charts.isEmpty else { return [.element("p", [:], "No run has done a step, so there is nothing to draw.")] }
    let (result, split) = (charts.resultByEpoch, charts.timeSplit)
    return [
      .element(
        "div", ["class": "figures"],
        [
          figure(charts.lossBySteps.svg(), "Loss by step", "\(meanText) \(equalText)"),
          figure(
            charts.lossByTime.svg(), "Loss by wall time",
            "The same curves over the time since the first worker joined, evaluations included."),
          figure(result.svg(), result.title, "After each epoch. \(ringText)"),
          speed,
          figure(
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
      return figure(
        charts.throughputBars.svg(), "Examples a second", "Examples trained over the steps' time. \(machine)")
    }
    return figure(
      charts.throughput.svg(), "Examples a second by workers",
      "Examples trained over the steps' time. Dotted: the first run's speed times the compute threads (workers × "
        + "threads). \(machine)")
  }

  private func figure(_ drawing: Markup, _ title: String, _ caption: String) -> Markup {
    .element(
      "figure", [:],
      [
        drawing,
        .element("figcaption", [:], [.element("b", [:], title + ". "), .text(caption)]),
      ])
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

  private static let styleSheet = """
    :root{--page:#fff;--ink:#1b1f24;--dim:#59636e;--rule:#d5dae0;--good:#1a7f4b;--bad:#c0352b;--soft:#f5f7f9}
    @media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e6e9ed;--dim:#a3adb8;--rule:#343b43;--good:#46c485;--bad:#ff7b70;--soft:#1c2127}}
    @media print{:root{--page:#fff;--ink:#1b1f24;--dim:#59636e;--rule:#d5dae0;--good:#1a7f4b;--bad:#c0352b;--soft:#fff}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
    main{max-width:1220px;margin:0 auto;padding:28px 24px 56px}
    h1{font-size:28px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
    h2{font-size:18px;margin:0 0 8px}
    .byline{margin:0 0 20px;color:var(--dim);font-size:14px}
    .verdict{border-left:4px solid var(--good);background:var(--soft);padding:10px 16px;margin:0 0 24px}
    .verdict.bad{border-color:var(--bad);color:inherit}
    .verdict p{margin:3px 0;overflow-wrap:anywhere}
    .scroll{overflow-x:auto}
    table{border-collapse:collapse;width:100%;font-size:15px;font-variant-numeric:tabular-nums}
    th,td{padding:6px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
    th{font-weight:600;vertical-align:bottom;border-bottom:2px solid var(--dim);white-space:normal}
    th.text,td.text{text-align:left}
    .bad{color:var(--bad);overflow-wrap:anywhere}
    td.bad{font-weight:700}
    p.bad{margin:8px 0}
    .note,figcaption{color:var(--dim);font-size:13px;line-height:1.45;overflow-wrap:anywhere}
    figcaption b{color:var(--ink)}
    .note{margin:8px 0 28px;max-width:100ch}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:32px 40px;margin-bottom:32px}
    figure{margin:0}
    figcaption{margin-top:6px}
    dl{margin:0;font-size:14px;columns:2;column-gap:32px}
    dl div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px solid var(--rule);padding:4px 0;break-inside:avoid}
    dt{color:var(--dim)}
    dd{margin:0;text-align:right;overflow-wrap:anywhere}
    pre{margin:0 0 12px;padding:12px 16px;background:var(--soft);border:1px solid var(--rule);white-space:pre-wrap;overflow-wrap:anywhere;font-size:14px}
    @media (max-width:700px){main{padding:16px 14px 40px}dl{columns:1}}
    @media print{main{max-width:none;padding:0}figure,.details{break-inside:avoid}}

    """
}
