internal import Foundation

/// Rules compared over several jobs: the performance profile of their steps to each job's target (E. D. Dolan & J. J. Moré,
/// "Benchmarking optimization software with performance profiles", Mathematical Programming 91, 2002).
///
/// For each rule, the share of the jobs whose target it reaches within τ times the steps of the best rule, by τ.
package struct SweepProfile: Sendable {
  package struct Job: Sendable {
    /// Also the name of its folder.
    package let name: String
    package let headline: String
    package let result: SweepResult

    package init(_ name: String, headline: String, _ result: SweepResult) {
      (self.name, self.headline, self.result) = (name, headline, result)
    }
  }

  /// The name of its record in the folder of the sweep.
  package static let file = "profile.json"

  package let jobs: [Job]
  package let rules: [String]
  /// For each rule, the steps to the target of each job; infinite where it misses it.
  private let steps: [[Double]]
  /// For each rule, its ratios to the best rule of each job, in ascending order.
  private let ratios: [[Double]]
  private let provenance: Provenance

  /// - Parameter jobs: of the same rules in the same order.
  package init(_ jobs: [Job], _ provenance: Provenance) {
    (self.jobs, self.provenance) = (jobs, provenance)
    rules = jobs.first?.result.rows.map(\.rule) ?? []
    steps = rules.indices.map { rule in jobs.map { $0.result.rows[rule].steps } }
    ratios = Statistics.profiles(steps)
  }

  /// The share of the jobs that the rule at `index` solves within `factor` times the steps of the best.
  package func share(_ index: Int, within factor: Double) -> Double {
    Double(ratios[index].count { $0 <= factor }) / Double(max(jobs.count, 1))
  }

  /// The rules, the one that is most often among the best first.
  private var order: [Int] {
    let factors = [1, 1.25, 1.5, 2, 4, .greatestFiniteMagnitude]
    return rules.indices.sorted { left, right in
      let (one, other) = (factors.map { share(left, within: $0) }, factors.map { share(right, within: $0) })
      return one == other ? left < right : other.lexicographicallyPrecedes(one)
    }
  }

  private func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }

  private var table: ComparisonTable {
    let factors: [(title: String, factor: Double)] = [
      ("best", 1), ("within 1.25 times", 1.25), ("within twice", 2), ("at all", .greatestFiniteMagnitude),
    ]
    return ComparisonTable(
      columns: [ComparisonTable.Column(title: "optimizer", isText: true)]
        + factors.map { ComparisonTable.Column(title: $0.title) } + jobs.map { ComparisonTable.Column(title: $0.name) },
      rows: order.map { rule in
        [rules[rule]] + factors.map { percent(share(rule, within: $0.factor)) }
          + steps[rule].map { $0.isFinite ? grouped(Int($0.rounded())) : "∞" }
      },
      notes: [
        "The share of the \(count(jobs.count, "job")) whose target a rule reaches in at most so many times the steps of the best "
          + "rule; then its steps to the target of each job, ∞ where more than half of its seeds miss it."
      ])
  }

  private var chart: LineChart {
    let finite = ratios.joined().filter(\.isFinite)
    let end = max(finite.max() ?? 1, 2) * 1.05
    let series = order.map { rule in
      var points = [Point(1, share(rule, within: 1))]
      for ratio in Set(ratios[rule]).sorted() where ratio > 1 && ratio.isFinite {
        points += [Point(ratio, points[points.count - 1].y), Point(ratio, share(rule, within: ratio))]
      }
      return Series(
        rules[rule], points + [Point(end, points[points.count - 1].y)], color: rule, line: Series.line(at: rule))
    }
    return LineChart(
      "Performance profile",
      x: Axis("times the steps of the best", covering: [1, end], kind: .logarithmic, isTight: true),
      y: Axis("share of the jobs", covering: [0, 1]), series)
  }

  /// For a terminal.
  package var lines: [String] { ["", "all jobs:", ""] + table.lines + [""] + table.notes }

  package var html: String {
    let title = "\(count(rules.count, "optimizer")) over \(count(jobs.count, "job"))"
    return Page(
      title,
      [.element("h1", [:], title), Page.byline(provenance)] + Page.table(table)
        + [
          .element(
            "div", ["class": "figures"],
            [
              Page.figure(
                chart.svg(width: 900, height: 380), "Performance profile",
                "For each rule, the share of the jobs whose target it reaches within so many times the steps of the best rule. Higher "
                  + "is better: at the left edge, how often it is the best; at the right, how often it gets there at all."
              )
            ]),
          .element("h2", [:], "The jobs"),
          .element(
            "ul", [:],
            jobs.map { job in
              .element(
                "li", [:],
                [.element("a", ["href": "\(job.name)/report.html"], job.name), .text(": \(job.headline)")])
            }),
          .element("h2", [:], "To repeat it"), .element("pre", [:], [.element("code", [:], provenance.command)]),
        ]
    ).html
  }

  private struct Record: Encodable {
    struct Rule: Encodable {
      let optimizer: String
      let shareBest, shareWithin125Percent, shareWithinTwice, shareAtAll: Double
      /// By job; missing where the target is missed.
      let stepsToTarget: [String: Double]
    }

    let command, date, version: String
    let jobs: [String]
    let rules: [Rule]
  }

  /// - Parameter names: of all jobs, those that have not run yet too.
  package func json(jobs names: [String]) throws -> String {
    let record = Record(
      command: provenance.command, date: provenance.dateText, version: provenance.version, jobs: names,
      rules: rules.indices.map { rule in
        Record.Rule(
          optimizer: rules[rule], shareBest: share(rule, within: 1), shareWithin125Percent: share(rule, within: 1.25),
          shareWithinTwice: share(rule, within: 2), shareAtAll: share(rule, within: .greatestFiniteMagnitude),
          stepsToTarget: Dictionary(
            zip(jobs.map(\.name), steps[rule]).filter { $1.isFinite }, uniquingKeysWith: { first, _ in first }))
      })
    return try jsonText(record)
  }

  /// The jobs that the record at `path` names; nil if there is none.
  package static func jobs(of path: String) -> [String]? {
    struct Jobs: Decodable {
      let jobs: [String]
    }
    let content = try? Data(contentsOf: URL(fileURLWithPath: path))
    return content.flatMap { try? JSONDecoder().decode(Jobs.self, from: $0).jobs }
  }
}
