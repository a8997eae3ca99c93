internal import Foundation

/// A sweep's charts.
struct SweepCharts {
  private let rows: [SweepResult.Row]
  private let part: String

  init(_ result: SweepResult) { (rows, part) = (result.rows, result.part) }

  private func curve(_ row: Int, _ points: [Point], hasDots: Bool = false) -> Series {
    Series(rows[row].rule, points, color: row, line: Series.line(at: row), hasDots: hasDots)
  }

  private func chart(_ title: String, x: String, isLogarithmic: Bool = false, _ series: [Series], bands: [Band] = [])
    -> LineChart
  {
    let points = series.flatMap(\.points) + bands.flatMap { $0.lower + $0.upper }
    return LineChart(
      title,
      x: Axis(
        x, covering: points.map(\.x), kind: isLogarithmic ? .logarithmic : .linear, isTight: true,
        isWhole: !isLogarithmic),
      y: Axis("\(part) loss", covering: points.map(\.y), kind: .automatic), series, bands: bands)
  }

  /// Of each learning rate the best of the other choices.
  var sensitivity: LineChart {
    let series = rows.indices.map { index in
      let losses = Dictionary(grouping: rows[index].searched, by: \.trial.rate).mapValues {
        $0.map(\.loss).min() ?? .infinity
      }
      return curve(index, losses.sorted { $0.key < $1.key }.map { Point($0.key, $0.value) }, hasDots: true)
    }
    return chart("\(part.capitalized) loss by learning rate", x: "learning rate", isLogarithmic: true, series)
  }

  var budgets: LineChart {
    let series = rows.indices.filter { !rows[$0].searched.isEmpty }.map { index in
      let best = Statistics.bestOf(rows[index].searched.map(\.loss))
      return curve(index, best.enumerated().map { Point(Double($0 + 1), $1) })
    }
    return chart("Best of n runs", x: "runs", series)
  }

  /// Over the seeds.
  var curves: LineChart {
    var bands: [Band] = []
    let series = rows.indices.map { index in
      let finals = rows[index].finals.filter { $0.outcome == .completed }
      let steps = Set(finals.flatMap { $0.evaluations.map(\.step) }).sorted()
      let spreads = steps.compactMap { step -> (Double, SweepResult.Spread)? in
        let losses = finals.compactMap { $0.evaluations.first { $0.step == step } }.map { $0.loss ?? .infinity }
        return losses.count == finals.count ? (Double(step), SweepResult.Spread(losses)) : nil
      }
      bands.append(
        Band(
          lower: spreads.map { Point($0, $1.lowerQuartile) }, upper: spreads.map { Point($0, $1.upperQuartile) },
          color: index))
      return curve(index, spreads.map { Point($0, $1.median) })
    }
    return chart("\(part.capitalized) loss by step", x: "step", series, bands: bands)
  }
}
