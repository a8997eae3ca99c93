internal import Cluster
internal import Foundation
internal import Models
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

/// Shows a run's progress: a bar on a terminal, lines elsewhere, and on both a line for each epoch. Without data an
/// epoch is a step, and only the last one has a line.
final class ProgressDisplay {
  private let plan: StepPlan
  /// False without data.
  private let showsEpochs: Bool
  private let figures: [Figure]
  private let isTerminal = isatty(STDOUT_FILENO) == 1
  private let start = Instant.now
  private var lastShown = Instant.now
  private var workers = 0
  /// Examples a second, smoothed over a second.
  private var rate: Double?
  private var examplesSinceShown = 0
  private var trainingSeconds = 0.0
  private var trainedSteps = 0
  private var step: Int

  /// - Parameter step: steps done.
  init(_ prepared: PreparedJob, step: Int) {
    plan = prepared.plan
    self.step = step
    showsEpochs = prepared.featureCount > 0
    figures = prepared.model.metrics.figures
  }

  /// Such as `  accuracy 0.8833`.
  private func text(_ values: [String: Double]) -> String {
    figures.compactMap { figure in values[figure.name].map { "  \(figure.title) \(format($0))" } }.joined()
  }

  func show(_ event: TrainingEvent, _ statistics: RunStatistics) {
    switch event {
    case .workerJoined(_, _, _, let count):
      workers = count
      // The first workers are no news.
      if trainedSteps > 0 { show(event.note) }
    case .workerLeft(_, _, _, let count):
      workers = count
      show(event.note)
    case .waiting(let seconds, let limit): showWait(seconds, limit)
    case .relays, .leftOut, .otherNumerics, .warning: show(event.note)
    case .step(let report): show(report, statistics)
    case .evaluation(let report): show(report, statistics)
    }
  }

  private func show(_ note: (kind: RunLog.Line.Kind, text: String)?) {
    guard let note else { return }
    if note.kind == .warning || note.kind == .left { warn(note.text) } else { printLine(note.text) }
  }

  private func show(_ report: StepReport, _ statistics: RunStatistics) {
    examplesSinceShown += report.examples
    trainedSteps += 1
    step = report.step
    trainingSeconds += report.seconds
    let now = Instant.now
    let elapsed = now.seconds(since: lastShown)
    let isEpochEnd =
      report.step == plan.totalSteps || showsEpochs && plan.isEvaluationDue(afterStep: report.step - 1)
    if elapsed >= (isTerminal ? 0.1 : 30) {
      let current = Double(examplesSinceShown) / elapsed
      rate = rate.map { $0 + (current - $0) * min(1, elapsed) } ?? current
      (lastShown, examplesSinceShown) = (now, 0)
      if isTerminal { drawBar(text(report)) } else { printLine(text(report)) }
    }
    if isEpochEnd && plan.evaluatedPart == nil { printLine(epochText(statistics.summary)) }
  }

  private func show(_ report: EvaluationReport, _ statistics: RunStatistics) {
    // The epoch's line is that of the part that is evaluated during the run.
    let start =
      report.step == 0
      ? "initial model" : report.part == plan.evaluatedPart ? epochText(statistics.summary) : "final model"
    printLine("\(start)  \(report.part) loss \(format(report.loss))\(text(report.figures))")
  }

  private func epochText(_ summary: RunSummary) -> String {
    let width = String(plan.totalEpochs).count
    let epoch = String(repeating: " ", count: max(0, width - String(summary.epochs).count)) + "\(summary.epochs)"
    var text = "epoch \(epoch)/\(plan.totalEpochs)  step \(grouped(summary.steps))"
    if let loss = summary.trainLoss { text += "  train loss \(format(loss))" }
    return text + self.text(summary.train)
  }

  private func text(_ report: StepReport) -> String {
    let left = trainingSeconds / Double(trainedSteps) * Double(plan.totalSteps - report.step)
    let rate = rate.map { "  \(grouped(Int($0))) examples/s" } ?? ""
    return "epoch \(report.epoch)/\(plan.totalEpochs)  step \(grouped(report.step))/\(grouped(plan.totalSteps))  "
      + "loss \(format(report.loss))\(rate)  \(Reports.count(workers, "worker"))  \(duration(left)) left"
  }

  private func showWait(_ seconds: Int, _ limit: Int) {
    let text = "waiting for a worker: \(seconds) of \(limit) s (--worker-timeout)"
    if isTerminal { drawBar(text) } else if seconds == 1 || seconds % 30 == 0 { printLine(text) }
  }

  private func drawBar(_ text: String) {
    let width = terminalWidth() - text.count - 3
    var bar = ""
    if width >= 8 {
      let filled = Double(width) * Double(step) / Double(max(plan.totalSteps, 1))
      bar = String(repeating: "━", count: Int(filled)) + String(repeating: "─", count: width - Int(filled)) + "  "
    }
    StatusLine.draw(bar + String(text.prefix(max(terminalWidth() - 1, 20))))
  }

  func warn(_ text: String) {
    printError("warning: \(text)")
  }
}
