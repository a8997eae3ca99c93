internal import Protocol
internal import Runs
package import Schema

/// What a sweep has found, computed from its trials alone.
package struct SweepResult: Sendable {
  /// Median and quartiles over the seeds.
  package struct Spread: Equatable, Encodable, Sendable {
    package let median, lowerQuartile, upperQuartile: Double

    init(_ values: [Double]) {
      median = Statistics.median(values)
      (lowerQuartile, upperQuartile) = (Statistics.quantile(0.25, of: values), Statistics.quantile(0.75, of: values))
    }
  }

  /// A rule's best trial, seed by seed against that of ``SweepResult/reference``.
  package struct Pairing: Equatable, Sendable {
    /// The mean of the differences of the loss, this rule's less the reference's.
    package let difference: Double
    /// The bootstrapped 95 % interval of that mean; nil for one seed.
    package let interval: ClosedRange<Double>?
    /// The share of seeds in which the loss is smaller; equal ones count half.
    package let shareBetter: Double
  }

  package struct Row: Sendable {
    package let progress: SweepPlan.Progress
    /// The runs of the search that have ended; with halving, those of a quarter of the length.
    package let searched: [TrialResult]
    /// With halving, the longer ones.
    package let promoted: [TrialResult]
    /// The best with each seed that has ended.
    package let finals: [TrialResult]
    /// Over ``finals``, the loss that decides and that of the test part; nil without one.
    package let deciding, test: Spread?
    /// The model's first figure on the test part, such as the accuracy.
    package let score: Spread?
    /// Nil for the reference itself, and where a seed has no finite loss.
    package let pairing: Pairing?
    /// Until the deciding loss of half of the seeds is at most the target; infinite if it is not.
    package let steps, examples, seconds: Double
    package let stateBytesPerParameter: Double

    package var rule: String { progress.rule }
    package var diverged: Int { searched.count { $0.outcome == .diverged } }
    package var failed: [TrialResult] { all.filter { $0.outcome == .failed } }

    /// Each run once.
    package var all: [TrialResult] {
      searched + promoted + finals.filter { $0.trial.seed != searched.first?.trial.seed }
    }
    package var runs: Int { all.count }
    package var totalSeconds: Double { all.reduce(0) { $0 + $1.summary.seconds } }

    /// The coordinator's mean time for the sums and the update of a step.
    package var updateSeconds: Double? {
      let done = finals.filter { $0.summary.steps > 0 }
      guard !done.isEmpty else { return nil }
      return Statistics.median(done.map { $0.summary.stepTime.sumUpdate / Double($0.summary.steps) })
    }
  }

  package let rows: [Row]
  /// Adam, or the first rule if it is not among them.
  package let reference: String
  /// The deciding loss that counts as the target; nil before it is known.
  package let target: Double?
  /// Whether the user gave it.
  package let isTargetGiven: Bool
  /// The part whose loss decides: validation, or train where there is none.
  package let part: String
  /// Whether losses compared are those of the test part; else there is none, and they are of the deciding part.
  package let hasTestPart: Bool
  package let figure: Figure?
  package let seeds: [UInt64]
  /// Whether the search was one of successive halving.
  package let halves: Bool

  /// - Parameters:
  ///   - target: nil for the median of the reference's final losses.
  ///   - hasValidation: whether a validation part decides, and not the training.
  ///   - stateBytes: of each rule, for each parameter.
  package init(
    _ plan: SweepPlan, _ results: [Trial: TrialResult], target given: Double?, figures: [Figure], stateBytes: [Double],
    hasValidation: Bool
  ) {
    let (rules, _) = plan.progress(results.mapValues(\.loss))
    let names = rules.map(\.rule)
    let first = names.firstIndex(of: "adam") ?? 0
    let finals = rules.map { $0.finals.compactMap { results[$0] } }
    let isComplete = finals[first].count == plan.seeds.count
    target = given ?? (isComplete ? Statistics.median(finals[first].map(\.loss)) : nil)
    let (target, hasTest) = (target, finals.joined().contains { $0.summary.testLoss != nil })
    func loss(_ result: TrialResult) -> Double {
      hasTest && result.outcome == .completed ? result.summary.testLoss ?? .infinity : result.loss
    }
    func spread(_ values: [Double]) -> Spread? { values.isEmpty ? nil : Spread(values) }
    func pairing(_ index: Int) -> Pairing? {
      let pairs = finals[index].compactMap { own in
        finals[first].first { $0.trial.seed == own.trial.seed }.map { (loss(own), loss($0)) }
      }
      let differences = pairs.map { $0.0 - $0.1 }
      guard index != first, !pairs.isEmpty, differences.allSatisfy(\.isFinite) else { return nil }
      return Pairing(
        difference: differences.reduce(0, +) / Double(differences.count),
        interval: Statistics.meanInterval(differences), shareBetter: Statistics.shareBetter(pairs))
    }
    rows = rules.indices.map { index in
      let own = finals[index]
      func untilTarget(_ value: (TrialResult.Evaluation) -> Double) -> Double {
        guard let target, !own.isEmpty else { return .infinity }
        return Statistics.lowMedian(own.map { $0.evaluation(reaching: target).map(value) ?? .infinity })
      }
      return Row(
        progress: rules[index], searched: rules[index].tried.compactMap { results[$0] },
        promoted: rules[index].promoted.compactMap { results[$0] }, finals: own,
        deciding: spread(own.map(\.loss)), test: hasTest ? spread(own.map(loss)) : nil,
        score: figures.first.flatMap { figure in
          spread(
            own.compactMap { result in
              let summary = result.summary
              return (hasTest ? summary.test : hasValidation ? summary.validation : summary.train)[figure.name]
            })
        },
        pairing: pairing(index), steps: untilTarget { Double($0.step) }, examples: untilTarget { Double($0.examples) },
        seconds: untilTarget(\.seconds), stateBytesPerParameter: stateBytes[index])
    }
    (reference, isTargetGiven, hasTestPart) = (names[first], given != nil, hasTest)
    (figure, seeds, halves) = (figures.first, plan.seeds, plan.halves)
    part = hasValidation ? "validation" : "train"
  }

  /// Sentences without a full stop: what is missing, has failed or lies on an edge.
  package var remarks: [String] {
    var remarks: [String] = []
    for row in rows {
      let decided = row.progress.tried.count + row.progress.promoted.count
      if row.progress.best == nil, row.searched.count + row.promoted.count == decided {
        remarks.append(
          row.searched.allSatisfy { $0.loss == .infinity }
            ? "\(row.rule) diverged or failed in all of its \(count(decided, "run"))"
            : "\(row.rule) diverged or failed in all of its longer runs")
      } else if row.progress.isAtEdge, let best = row.progress.best, !row.progress.finals.isEmpty {
        remarks.append("the best learning rate of \(row.rule), \(rateText(best.rate)), lies on the edge of those tried")
      }
      if let first = row.failed.first {
        remarks.append(
          "\(row.rule): \(count(row.failed.count, "run")) failed, such as \(first.trial.name): \(first.error ?? "")")
      }
    }
    if let target, !rows.isEmpty, rows.allSatisfy({ $0.steps == .infinity }),
      rows.contains(where: { !$0.finals.isEmpty })
    {
      remarks.append("no rule reaches the target, a \(part) loss of \(format(target))")
    }
    return remarks
  }
}
