internal import Foundation
internal import Models
internal import Protocol
internal import Runs
internal import Schema

/// A comparison's charts, for the terminal and the page alike.
package struct ComparisonCharts {
  private let comparison: Comparison

  package init(_ comparison: Comparison) {
    self.comparison = comparison
  }

  private var runs: [Comparison.Run] { comparison.runs.filter { ($0.history?.steps ?? 0) > 0 } }

  package var isEmpty: Bool { runs.isEmpty }

  private var lossTitle: String { "train loss (\(comparison.runs.first?.job.loss ?? "the model's own"))" }

  private var lossAxis: Axis {
    Axis(lossTitle, covering: runs.flatMap { $0.history.map { curve($0).map(\.loss) } ?? [] }, kind: .automatic)
  }

  package var lossBySteps: LineChart {
    let series = series { curve($0).map { Point($0.step, $0.loss) } }
    return LineChart("Loss by step", x: axis("step", series, isWhole: true), y: lossAxis, series)
  }

  package var lossByTime: LineChart {
    let series = series { curve($0).map { Point($0.seconds, $0.loss) } }
    return LineChart("Loss by wall time", x: axis("seconds since the first worker joined", series), y: lossAxis, series)
  }

  /// The first figure, if it is also measured during training. It is shown by epoch instead of the loss.
  private var figure: Figure? {
    guard let figure = comparison.figures.first else { return nil }
    return runs.contains { run in run.history?.epochs.contains { $0.train[figure.name] != nil } == true } ? figure : nil
  }

  /// A figure such as the accuracy, or else the loss; of the part that is evaluated during the runs if there is one.
  package var resultByEpoch: LineChart {
    let (evaluated, figure) = (comparison.parts.first, figure)
    let series = series(hasDots: true) { history in
      history.epochs.compactMap { epoch in
        epoch.figures(of: evaluated)[figure?.name ?? "loss"].map { Point(Double(epoch.epoch), $0) }
      }
    }
    let part = evaluated?.rawValue ?? "train"
    let title = figure.map { "\(part) \($0.title)" } ?? lossTitle.replacing("train", with: part)
    let y = Axis(title, covering: series.flatMap { $0.points.map(\.y) }, kind: figure == nil ? .automatic : .linear)
    let name = figure.map { $0.title.prefix(1).uppercased() + $0.title.dropFirst() } ?? "Loss"
    return LineChart(
      "\(name) by epoch", x: axis("epoch", series, isWhole: true, isFromZero: false), y: y, series)
  }

  /// Whether all runs have the same workers and threads, so that no chart can show results over their numbers.
  package var hasOneSize: Bool {
    runs.allSatisfy {
      $0.configuration.workers == runs[0].configuration.workers
        && $0.configuration.threads == runs[0].configuration.threads
    } && runs.count > 1
  }

  /// Examples per second, one bar per run.
  package var throughputBars: StackedBarChart {
    let bars = runs.compactMap { run in
      run.history?.examplesASecond.map {
        StackedBarChart.Bar(label(run.configuration), [$0], total: grouped(Int($0.rounded())))
      }
    }
    return StackedBarChart("Examples a second", axis: "examples/s", parts: ["examples/s"], bars)
  }

  /// Examples per second over workers: a curve for each optimizer and number of threads, and the line that it would
  /// follow if its first run's speed grew with the compute threads.
  package var throughput: LineChart {
    var lines: [(name: String, runs: [Comparison.Run])] = []
    for run in runs where run.isCompleted {
      let name = lineName(run.configuration)
      if let line = lines.firstIndex(where: { $0.name == name }) {
        lines[line].runs.append(run)
      } else {
        lines.append((name, [run]))
      }
    }
    let most = Double(runs.map(\.configuration.workers).max() ?? 1)
    // Limits the reference lines, so that the measured curves stay readable.
    let top = 2 * (runs.compactMap { $0.history?.examplesASecond }.max() ?? 1)
    var guides: [Series] = []
    let series = lines.enumerated().map { index, line in
      let points = line.runs.sorted { $0.configuration.workers < $1.configuration.workers }.compactMap { run in
        run.history?.examplesASecond.map { Point(Double(run.configuration.workers), $0) }
      }
      let first = line.runs[0].configuration
      let base = runs.first { $0.isCompleted && $0.configuration.optimizer == first.optimizer }
      if let base, let rate = base.history?.examplesASecond {
        let slope = rate / Double(base.configuration.workers * base.configuration.threads) * Double(first.threads)
        let end = min(most, top / slope)
        guides.append(
          Series("ideal: the first run's × compute threads", [Point(0, 0), Point(end, slope * end)], color: 0))
      }
      return Series(line.name, points, color: index, line: .solid, hasDots: true)
    }
    let values = (series + guides).flatMap(\.points)
    return LineChart(
      "Examples a second by workers",
      x: Axis("workers", covering: values.map(\.x) + [most], includesZero: true, isTight: true, isWhole: true),
      y: Axis("examples/s", covering: values.map(\.y), includesZero: true), series, guides: guides)
  }

  private func lineName(_ configuration: RunConfiguration) -> String {
    let parts = [
      configuration.namesOptimizer ? configuration.optimizer : nil,
      configuration.namesThreads ? "\(count(configuration.threads, "thread")) a worker" : nil,
    ]
    let name = parts.compactMap { $0 }.joined(separator: ", ")
    return name.isEmpty ? "measured" : name
  }

  /// The mean wall time of a step, divided by activities.
  package var timeSplit: StackedBarChart {
    let longest = runs.compactMap { $0.history?.timesAStep?.total }.max() ?? 1
    let (unit, factor) = longest < 1e-3 ? ("µs", 1e6) : longest < 1 ? ("ms", 1e3) : ("s", 1)
    let bars = runs.compactMap { run -> StackedBarChart.Bar? in
      guard let times = run.history?.timesAStep else { return nil }
      return StackedBarChart.Bar(
        label(run.configuration),
        [times.compute, times.wait, times.sumUpdate, times.transfer].map { $0 * factor },
        total: significant(times.total * factor) + " " + unit)
    }
    return StackedBarChart(
      "Time a step", axis: "mean wall time a step (\(unit))", parts: ["compute", "wait", "sum and update", "transfer"],
      bars
    )
  }

  /// The names of runs whose curves by step coincide, in groups of two or more.
  package var coinciding: [[String]] {
    Series.coinciding(lossBySteps.series).filter { $0.count > 1 }.map { $0.map { lossBySteps.series[$0].label } }
  }

  /// The smallest and the largest number of steps that a point of a curve averages.
  package var stepsAPoint: (least: Int, most: Int) {
    let counts = runs.compactMap { run in
      run.history.map { $0.stepsAPoint * (optimizers.count > 1 ? $0.pointsASmoothedPoint : 1) }
    }
    return (counts.min() ?? 1, counts.max() ?? 1)
  }

  package func plots(width: Int, hasColor: Bool) -> [[String]] {
    [lossBySteps, lossByTime].map { chart in
      TerminalPlot(chart.title, x: chart.xAxis, y: chart.yAxis, chart.series).lines(width: width, hasColor: hasColor)
    }
  }

  private func axis(_ title: String, _ series: [Series], isWhole: Bool = false, isFromZero: Bool = true) -> Axis {
    Axis(
      title, covering: series.flatMap { $0.points.map(\.x) }, includesZero: isFromZero, isTight: true, isWhole: isWhole)
  }

  /// A curve per run. Colours distinguish the runs of an optimizer, and kinds of lines the optimizers. If there are
  /// more optimizers than kinds, both distinguish the optimizers. Several optimizers are sorted by their last loss.
  private func series(hasDots: Bool = false, _ points: (RunHistory) -> [Point]) -> [Series] {
    let kinds = Series.Line.allCases
    let series = runs.map { run in
      let optimizer = optimizers.firstIndex(of: run.configuration.optimizer) ?? 0
      let place =
        comparison.runs.filter { $0.configuration.optimizer == run.configuration.optimizer }
        .firstIndex { $0.configuration == run.configuration } ?? 0
      let style: (color: Int, kind: Int) =
        switch optimizers.count {
        // When all colours are used, the next kind of line follows.
        case ...1: (place, place / Series.colorCount)
        case ...kinds.count: (place, optimizer)
        default: (optimizer, optimizer / Series.colorCount)
        }
      return Series(
        label(run.configuration), run.history.map(points) ?? [], color: style.color,
        line: kinds[style.kind % kinds.count], hasDots: hasDots)
    }
    guard optimizers.count > 1 else { return series }
    func last(_ index: Int) -> Double { runs[index].history.flatMap { curve($0).last?.loss } ?? .infinity }
    return series.indices.sorted { (last($0), $0) < (last($1), $1) }.map { series[$0] }
  }

  private func curve(_ history: RunHistory) -> [RunHistory.CurvePoint] {
    optimizers.count > 1 ? history.smoothedCurve : history.curve
  }

  /// The optimizer alone if nothing else differs.
  private func label(_ configuration: RunConfiguration) -> String {
    configuration.namesOptimizer && hasOneSize ? configuration.optimizer ?? "" : configuration.label
  }

  private var optimizers: [String?] {
    comparison.runs.map(\.configuration.optimizer).reduce(into: []) { known, one in
      if !known.contains(one) { known.append(one) }
    }
  }
}

/// Three significant digits.
private func significant(_ value: Double) -> String {
  switch value {
  case 100...: grouped(Int(value.rounded()))
  case 10...: String(format: "%.1f", value)
  default: String(format: "%.2f", value)
  }
}
