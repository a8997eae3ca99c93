internal import Kernels

/// What a sweep says of several results of one kind. Results may be infinite: a trial that diverged has an infinite loss.
package enum Statistics {
  /// The smallest value of which a `share`, 0…1, of `values` is not above, interpolated linearly between neighbours
  /// (R. J. Hyndman & Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50, 1996, type 7;
  /// NumPy's default). Beside an infinite neighbour it is infinite.
  package static func quantile(_ share: Double, of values: [Double]) -> Double {
    precondition(!values.isEmpty && (0...1).contains(share))
    let sorted = values.sorted()
    let place = share * Double(sorted.count - 1)
    let (lower, upper) = (sorted[Int(place)], sorted[min(Int(place) + 1, sorted.count - 1)])
    let part = place - place.rounded(.down)
    return part == 0 || lower == upper ? lower : lower + part * (upper - lower)
  }

  package static func median(_ values: [Double]) -> Double { quantile(0.5, of: values) }

  /// The smallest value of which at least half of `values` are not above: a median that is one of them.
  package static func lowMedian(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }

  /// The share of `pairs` in which the first is smaller; equal ones count half.
  package static func shareBetter(_ pairs: [(Double, Double)]) -> Double {
    pairs.reduce(0) { $0 + ($1.0 < $1.1 ? 1 : $1.0 == $1.1 ? 0.5 : 0) } / Double(pairs.count)
  }

  /// The most values of which ``meanInterval(_:level:)`` takes every resample.
  package static let mostForAllResamples = 8

  /// The percentile interval of the mean of `values`, by the bootstrap (B. Efron & R. J. Tibshirani, *An Introduction to
  /// the Bootstrap*, 1993, chapter 13). Of up to ``mostForAllResamples`` values, all n to the n resamples are taken, so
  /// that no chance enters; of more, 20,000 that a fixed seed draws.
  ///
  /// - Returns: nil for fewer than two values, or if one is not finite.
  package static func meanInterval(_ values: [Double], level: Double = 0.95) -> ClosedRange<Double>? {
    guard values.count > 1, values.allSatisfy(\.isFinite) else { return nil }
    let means = values.count <= mostForAllResamples ? allMeans(values) : drawnMeans(values)
    let ends = [(1 - level) / 2, (1 + level) / 2].map { quantile($0, of: means) }
    return ends[0]...ends[1]
  }

  /// The mean of each resample, as often as it occurs.
  private static func allMeans(_ values: [Double]) -> WeightedValues {
    let count = values.count
    var means = WeightedValues()
    /// Takes each of `values` from `index` on some times, `left` in all; `ways` orders give what was taken before.
    func take(_ index: Int, _ left: Int, _ sum: Double, _ ways: Int) {
      guard index < count - 1 else { return means.add((sum + Double(left) * values[index]) / Double(count), ways) }
      var choices = 1  // left over k
      for times in 0...left {
        take(index + 1, left - times, sum + Double(times) * values[index], ways * choices)
        choices = choices * (left - times) / (times + 1)
      }
    }
    take(0, count, 0, 1)
    return means.sorted
  }

  private static func drawnMeans(_ values: [Double]) -> WeightedValues {
    let random = Philox(seed: 0, stream: 0)
    var means = WeightedValues()
    var word: UInt64 = 0
    for _ in 0..<20_000 {
      var sum = 0.0
      for _ in values {
        let number = random.block(word / 4)[Int(word % 4)]
        sum += values[Int((UInt64(number) * UInt64(values.count)) >> 32)]
        word += 1
      }
      means.add(sum / Double(values.count), 1)
    }
    return means.sorted
  }

  /// The smallest value of which at least this share is not above.
  private static func quantile(_ share: Double, of values: WeightedValues) -> Double {
    values[max(Int((share * Double(values.count) - 1e-9).rounded(.up)) - 1, 0)]
  }

  /// For each n from 1 on, the median of the best of n trials that are drawn from `losses`, with replacement
  /// (J. Dodge et al., "Show Your Work", EMNLP 2019, with the median in place of the mean, because a loss may be infinite).
  package static func bestOf(_ losses: [Double]) -> [Double] {
    let sorted = losses.sorted()
    return (1...losses.count).map { drawn in
      let index = sorted.indices.first { index in
        // None of the draws is among the index + 1 best.
        let missed = Double(sorted.count - index - 1) / Double(sorted.count)
        return (0..<drawn).reduce(1.0) { product, _ in product * missed } <= 0.5
      }
      return sorted[index ?? sorted.count - 1]
    }
  }

  /// Performance profiles (E. D. Dolan & J. J. Moré, "Benchmarking Optimization Software with Performance Profiles",
  /// Mathematical Programming 91, 2002): for each solver, the ratios of its costs to the least of all solvers' on the same
  /// problem, in ascending order. On a share (k + 1) / problems of the problems its ratio is at most element k.
  ///
  /// - Parameter costs: of each solver on each problem; infinite if it does not solve it. Problems that nobody solves
  ///   give infinite ratios.
  package static func profiles(_ costs: [[Double]]) -> [[Double]] {
    guard let problems = costs.first?.indices else { return [] }
    let least = problems.map { problem in costs.map { $0[problem] }.min()! }
    return costs.map { own in problems.map { least[$0].isFinite ? own[$0] / least[$0] : .infinity }.sorted() }
  }
}

/// Values that occur several times each.
private struct WeightedValues {
  private var values: [(value: Double, times: Int)] = []
  /// For each value, how many come before it.
  private var starts: [Int] = []
  private(set) var count = 0

  mutating func add(_ value: Double, _ times: Int) {
    values.append((value, times))
    count += times
  }

  var sorted: WeightedValues {
    var sorted = self
    sorted.values.sort { $0.value < $1.value }
    var start = 0
    sorted.starts = sorted.values.map { value in
      defer { start += value.times }
      return start
    }
    return sorted
  }

  /// Of the sorted values, the one at `place` if each stood there as often as it occurs.
  subscript(place: Int) -> Double {
    var (low, high) = (0, values.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= place { low = middle } else { high = middle }
    }
    return values[low].value
  }
}
