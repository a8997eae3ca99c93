internal import Foundation

/// What a learning-rate range test has found, for a reader: lines for a terminal, a page and JSON.
package struct RateTestReport {
  private let test: RateTest
  private let provenance: Provenance
  private let headline: String

  /// - Parameter headline: names the data, the model and the rule.
  package init(_ test: RateTest, _ provenance: Provenance, headline: String) {
    (self.test, self.provenance, self.headline) = (test, provenance, headline)
  }

  private var range: String {
    guard let first = test.steps.first, let last = test.steps.last else { return "no rate" }
    return "\(text(first.rate)) to \(text(last.rate))"
  }

  private func text(_ rate: Double) -> String { String(format: "%.2g", rate) }

  private var end: String {
    test.hasDiverged
      ? "the loss diverged after \(count(test.steps.count, "step"))"
      : "the loss did not diverge in \(count(test.steps.count, "step"))"
  }

  private var findings: [String] {
    var lines = ["learning rates \(range); \(end)"]
    if let steepest = test.steepestRate { lines.append("the loss falls most at \(text(steepest))") }
    if let least = test.leastLossRate { lines.append("the loss is least at \(text(least))") }
    return lines
  }

  /// The learning rate to begin with, or why none is suggested.
  private var suggestion: String {
    switch test.suggestion {
    case .success(let rate): "suggestion: --learning-rate \(rate), a tenth of that with the least loss"
    case .failure(.neverFell):
      "no suggestion: the loss never fell below that of the first step; give a smaller --from, or more --steps"
    case .failure(.stillFalling): "no suggestion: the loss is still least at the largest rate; give a larger --to"
    }
  }

  private func chart(_ title: String) -> LineChart {
    let steps = test.steps.indices
    let raw = Series("loss of a step", steps.map { Point(test.steps[$0].rate, test.steps[$0].loss) }, color: 1)
    let smooth = Series("smoothed", steps.map { Point(test.steps[$0].rate, test.smoothed[$0]) }, color: 0)
    var guides: [Series] = []
    let losses = test.steps.map(\.loss)
    let y = Axis("train loss", covering: losses, kind: .automatic)
    if case .success(let rate) = test.suggestion {
      guides = [Series("suggestion", [Point(rate, y.domain.lowerBound), Point(rate, y.domain.upperBound)], color: 0)]
    }
    return LineChart(
      title, x: Axis("learning rate", covering: test.steps.map(\.rate), kind: .logarithmic, isTight: true), y: y,
      [raw, smooth], guides: guides)
  }

  /// For a terminal.
  package func lines(width: Int, hasColor: Bool) -> [String] {
    let chart = chart("")
    let plot = TerminalPlot("loss by learning rate", x: chart.xAxis, y: chart.yAxis, chart.series)
    return plot.lines(width: width, hasColor: hasColor) + [""] + findings + [suggestion]
  }

  package var html: String {
    let title = "Loss by learning rate"
    let isGood = (try? test.suggestion.get()) != nil
    let sentences = (findings + [suggestion]).map { $0.prefix(1).uppercased() + $0.dropFirst() + "." }
    return Page(
      title,
      [
        .element("h1", [:], title), Page.byline(provenance), .element("p", [:], headline + "."),
        .element(
          "section", ["class": isGood ? "verdict good" : "verdict bad"], sentences.map { .element("p", [:], $0) }),
        .element(
          "div", ["class": "figures"],
          [
            Page.figure(
              chart(title).svg(width: 760, height: 420), title,
              "One run whose learning rate grows by equal factors from step to step. The loss is that of each step's examples before "
                + "the update; smoothed, each step weighs nine tenths of the one after it.")
          ]),
        .element("h2", [:], "To repeat it"), .element("pre", [:], [.element("code", [:], provenance.command)]),
      ]
    ).html
  }

  private struct Record: Encodable {
    struct Step: Encodable {
      let learningRate, loss, smoothed: Double
    }

    let command, date, version, headline: String
    let suggestion, leastLossRate, steepestRate: Double?
    let hasDiverged: Bool
    let steps: [Step]
  }

  package var json: String {
    get throws {
      let record = Record(
        command: provenance.command, date: provenance.dateText, version: provenance.version, headline: headline,
        suggestion: try? test.suggestion.get(), leastLossRate: test.leastLossRate, steepestRate: test.steepestRate,
        hasDiverged: test.hasDiverged,
        steps: test.steps.indices.map {
          Record.Step(learningRate: test.steps[$0].rate, loss: test.steps[$0].loss, smoothed: test.smoothed[$0])
        })
      return try jsonText(record)
    }
  }
}
