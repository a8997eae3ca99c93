internal import Optimizers
internal import Runs

/// Optimizers ranked by train loss, at equal steps and at equal time. Losses are interpolated linearly on the curves.
/// The lowest loss of an optimizer's runs counts.
package struct Ranking: Equatable, Encodable, Sendable {
  package struct Row: Equatable, Encodable, Sendable {
    package let optimizer: String
    package let stateBytesPerParameter: Double
    /// nil if none of its runs has that many steps.
    package let lossAtEqualSteps: Double?
    package let rankAtEqualSteps: Int?
    /// nil if none of its runs has a loss that early.
    package let lossAtEqualTime: Double?
    package let rankAtEqualTime: Int?
  }

  /// The largest number of steps that all completed runs have, except those of gradient descent, whose step is the
  /// whole training part.
  package let steps: Int
  /// The smallest wall time of a completed run.
  package let seconds: Double
  /// In the order of the ranks at equal steps.
  package let rows: [Row]

  /// nil unless at least two optimizers have a completed run.
  package init?(_ comparison: Comparison) {
    let runs = comparison.runs.filter { $0.isCompleted && ($0.history?.steps ?? 0) > 0 }
    let names = runs.map(\.job.optimizer.name).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    let counting = runs.filter { !OptimizerSettings.stepIsWhole($0.job.optimizer.name) }
    guard names.count > 1, let steps = counting.compactMap({ $0.history?.steps }).min(),
      let seconds = runs.compactMap({ $0.summary?.seconds }).min()
    else { return nil }
    (self.steps, self.seconds) = (steps, seconds)
    func losses(_ loss: (RunHistory) -> Double?) -> [String: Double] {
      names.reduce(into: [:]) { all, name in
        all[name] = runs.filter { $0.job.optimizer.name == name }.compactMap { $0.history.flatMap(loss) }.min()
      }
    }
    let bySteps = losses { $0.steps >= steps ? $0.loss(at: Double(steps), \.step) : nil }
    let byTime = losses { $0.loss(at: seconds, \.seconds) }
    func ranks(_ losses: [String: Double]) -> [String: Int] {
      losses.mapValues { loss in 1 + losses.values.count { $0 < loss } }
    }
    let (stepRanks, timeRanks) = (ranks(bySteps), ranks(byTime))
    rows = names.map { name in
      let run = runs.first { $0.job.optimizer.name == name }
      return Row(
        optimizer: name, stateBytesPerParameter: run?.stateBytesPerParameter ?? 0, lossAtEqualSteps: bySteps[name],
        rankAtEqualSteps: stepRanks[name], lossAtEqualTime: byTime[name], rankAtEqualTime: timeRanks[name])
    }.enumerated().sorted { left, right in
      (left.element.rankAtEqualSteps ?? .max, left.offset) < (right.element.rankAtEqualSteps ?? .max, right.offset)
    }.map(\.element)
  }
}

extension RunHistory {
  /// The smoothed curve's loss where `place` is `value`: interpolated linearly, constant after the last point, nil
  /// before the first.
  package func loss(at value: Double, _ place: (CurvePoint) -> Double) -> Double? {
    let curve = smoothedCurve
    guard let after = curve.firstIndex(where: { place($0) >= value }) else { return curve.last?.loss }
    let right = curve[after]
    if place(right) == value { return right.loss }
    guard after > 0 else { return nil }
    let left = curve[after - 1]
    return left.loss + (right.loss - left.loss) * (value - place(left)) / (place(right) - place(left))
  }
}

extension Comparison.Run {
  /// The optimizer state that the coordinator holds: of a run that has not said it, 4 bytes a slot.
  package var stateBytesPerParameter: Double {
    summary?.stateBytesPerParameter ?? Double(4 * ((try? job.optimizer.rule().slots.count) ?? 0))
  }
}

extension ComparisonTable {
  package init(_ ranking: Ranking) {
    func text(_ loss: Double?) -> String { loss.map(format) ?? "–" }
    func text(_ rank: Int?) -> String { rank.map { "\($0)" } ?? "–" }
    self.init(
      columns: [
        Column(title: "optimizer", isText: true), Column(title: "state bytes"),
        Column(title: "loss, equal steps"), Column(title: "rank, equal steps"),
        Column(title: "loss, equal time"), Column(title: "rank, equal time"),
      ],
      rows: ranking.rows.map { row in
        [
          row.optimizer, bytes(row.stateBytesPerParameter), text(row.lossAtEqualSteps), text(row.rankAtEqualSteps),
          text(row.lossAtEqualTime), text(row.rankAtEqualTime),
        ]
      },
      notes: [
        "Train loss, read off the curves, after \(count(ranking.steps, "step")) and after \(duration(ranking.seconds)): the "
          + "most that all completed runs have. Of an optimizer's runs the lowest counts.",
        "State bytes: what the coordinator holds for each parameter beside the parameter itself.",
      ]
        + ranking.rows.filter { OptimizerSettings.stepIsWhole($0.optimizer) }.map {
          "A step of \($0.optimizer) is the whole training part: its steps do not count for how many all have."
        })
  }
}
