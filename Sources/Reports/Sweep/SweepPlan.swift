/// Decides which trials a sweep runs, from the losses of those that have ended. A pure function of them, so that a sweep
/// that is interrupted goes on as if it had not been.
///
/// 1. Each rule's first trials, with the first seed.
/// 2. More trials for rules that have fewer than others, for example because they lack an option with a grid.
/// 3. While some rule's best learning rate is the largest or the smallest that was tried: two more trials for each rule,
///    beyond the edge for those, beside the best for the others, so that all rules have as many. At most
///    ``mostExtensions`` times.
/// 4. With halving, all of these are runs of a quarter of the length. Of each rule the better half runs again with half of
///    it, and of those the better half with all of it (K. Jamieson & A. Talwalkar, "Non-stochastic Best Arm Identification and
///    Hyperparameter Optimization", AISTATS 2016, with runs that begin anew, so that each has its full schedule).
/// 5. The best of each rule with the other seeds.
package struct SweepPlan: Sendable {
  /// How often two learning rates, a decade, are added at an edge.
  package static let mostExtensions = 4

  package let space: SweepSpace
  /// The first is that of the search.
  package let seeds: [UInt64]
  package let halves: Bool

  package init(_ space: SweepSpace, seeds: [UInt64], halves: Bool = false) {
    precondition(!seeds.isEmpty)
    (self.space, self.seeds, self.halves) = (space, seeds, halves)
  }

  /// What is known of a rule.
  package struct Progress: Equatable, Sendable {
    package let rule: String
    /// The trials of the search, in the order in which they were decided.
    package fileprivate(set) var tried: [Trial]
    /// With halving, those of them that run again with a larger part of the length.
    package fileprivate(set) var promoted: [Trial] = []
    /// The trial with the least loss; nil before there is one, or if all have diverged.
    package fileprivate(set) var best: Trial?
    /// Whether the best learning rate is the smallest or the largest of several that were tried with its other choices.
    package fileprivate(set) var isAtEdge = false
    /// The best with each seed; empty before the search is over.
    package fileprivate(set) var finals: [Trial] = []
  }

  /// How far the sweep is.
  ///
  /// - Parameter losses: of the trials that have ended, by trial; infinite for one that diverged or failed.
  /// - Returns: each rule's progress, and the trials to run next, which do not depend on each other; none at the end.
  package func progress(_ losses: [Trial: Double]) -> (rules: [Progress], next: [Trial]) {
    var rules = space.rules.indices.map { index in
      Progress(
        rule: space.rules[index], tried: space.base(index, seed: seeds[0]).map { $0.with(part: halves ? 4 : nil) })
    }
    func missing(_ trials: [Trial]) -> [Trial] { trials.filter { losses[$0] == nil } }
    func searched() -> [Trial] { missing(rules.flatMap(\.tried)) }
    func extend(_ index: Int, by count: Int) -> Bool {
      let more = further(rules[index].tried, losses, best: rules[index].best, count: count)
      rules[index].tried += more
      return !more.isEmpty
    }
    func judge() {
      for index in rules.indices {
        rules[index].best = best(rules[index].tried, losses)
        rules[index].isAtEdge = isAtEdge(rules[index].best, of: rules[index].tried)
      }
    }
    judge()
    guard searched().isEmpty else { return (rules, searched()) }
    if space.extendsRates {
      while let most = rules.map(\.tried.count).max() {
        let added = rules.indices.filter { rules[$0].tried.count < most }
          .filter { extend($0, by: min(2, most - rules[$0].tried.count)) }
        guard !added.isEmpty else { break }
        guard searched().isEmpty else { return (rules, searched()) }
        judge()
      }
      for _ in 0..<SweepPlan.mostExtensions where rules.contains(where: { $0.isAtEdge || $0.best == nil }) {
        for index in rules.indices { _ = extend(index, by: 2) }
        guard searched().isEmpty else { return (rules, searched()) }
        judge()
      }
    }
    for part in halves ? [2, nil] : [] {
      for index in rules.indices {
        let before = rules[index].promoted.filter { $0.part == 2 }
        let better = half(part == nil ? before : rules[index].tried, losses).map { $0.with(part: part) }
        rules[index].promoted += better
        rules[index].best = best(better, losses)
      }
      let next = missing(rules.flatMap(\.promoted))
      guard next.isEmpty else { return (rules, next) }
    }
    if halves {
      for index in rules.indices {
        rules[index].isAtEdge = isAtEdge(rules[index].best?.with(part: 4), of: rules[index].tried)
      }
    }
    for index in rules.indices {
      guard let best = rules[index].best else { continue }
      rules[index].finals = seeds.map(best.with(seed:))
    }
    return (rules, missing(rules.flatMap(\.finals)))
  }

  /// The first trial with the least loss; nil if none is finite.
  private func best(_ trials: [Trial], _ losses: [Trial: Double]) -> Trial? {
    var best: (trial: Trial, loss: Double)?
    for trial in trials {
      if let loss = losses[trial], loss.isFinite, loss < best?.loss ?? .infinity { best = (trial, loss) }
    }
    return best?.trial
  }

  /// The better half of trials, rounded up, without those that have diverged.
  private func half(_ trials: [Trial], _ losses: [Trial: Double]) -> [Trial] {
    let order = trials.indices.sorted { left, right in
      let (one, other) = (losses[trials[left]] ?? .infinity, losses[trials[right]] ?? .infinity)
      return one == other ? left < right : one < other
    }
    return order.prefix((trials.count + 1) / 2).map { trials[$0] }.filter { losses[$0] ?? .infinity < .infinity }
  }

  /// The learning rates that were tried with the other choices of `trial`, in ascending order.
  private func rates(beside trial: Trial, in tried: [Trial]) -> [Double] {
    Set(tried.filter { $0.with(rate: 1) == trial.with(rate: 1) }.map(\.rate)).sorted()
  }

  private func isAtEdge(_ best: Trial?, of tried: [Trial]) -> Bool {
    guard let best else { return false }
    let rates = rates(beside: best, in: tried)
    return rates.count > 1 && (best.rate == rates.first || best.rate == rates.last)
  }

  /// Up to `count` further trials: two a decade beyond the edge on which the best lies, below all if every one has
  /// diverged, or else between the best and its neighbours.
  private func further(_ tried: [Trial], _ losses: [Trial: Double], best: Trial?, count: Int) -> [Trial] {
    guard let origin = best ?? tried.first else { return [] }
    let rates = rates(beside: origin, in: tried)
    let halfDecade = 10.0.squareRoot()
    let more: [Double]
    if best == nil || origin.rate == rates.first {
      more = [rates[0] / halfDecade, rates[0] / 10]
    } else if origin.rate == rates.last {
      more = [origin.rate * halfDecade, origin.rate * 10]
    } else if let place = rates.firstIndex(of: origin.rate) {
      more = [(origin.rate * rates[place - 1]).squareRoot(), (origin.rate * rates[place + 1]).squareRoot()]
    } else {
      more = []
    }
    return more.prefix(count).map(origin.with(rate:)).filter { $0.rate > 0 && $0.rate.isFinite && !tried.contains($0) }
  }
}
