/// Where the coordinator's wall time went, in seconds. The parts add up to the whole: what it summed and updated, what it
/// spent in socket calls, of the rest what the worker that computed longest took, and what remains.
package struct TimeSplit: Equatable, Codable, Sendable {
  /// From a step's start to its last update.
  package private(set) var total = 0.0
  /// Of the worker that computed longest, on each of its threads.
  package private(set) var compute = 0.0
  /// For messages on their way and workers that are not done.
  package private(set) var wait = 0.0
  /// In sums and updates.
  package private(set) var sumUpdate = 0.0
  /// In socket calls.
  package private(set) var transfer = 0.0

  package enum CodingKeys: String, CodingKey {
    case total, compute, wait
    case sumUpdate = "sum_update"
    case transfer
  }

  /// Nothing yet.
  package init() {}

  /// A step's, given the compute threads of each worker.
  package init(_ report: StepReport, threads: [Int: Int]) {
    total = report.seconds
    sumUpdate = min(report.sumUpdateSeconds, total)
    transfer = min(report.sendSeconds, total - sumUpdate)
    let longest = report.computeSeconds.map { $0.seconds / Double(max(threads[$0.worker] ?? 1, 1)) }.max() ?? 0
    compute = min(longest, total - sumUpdate - transfer)
    wait = total - sumUpdate - transfer - compute
  }

  /// Adds the parts.
  package static func += (left: inout TimeSplit, right: TimeSplit) {
    left.total += right.total
    left.compute += right.compute
    left.wait += right.wait
    left.sumUpdate += right.sumUpdate
    left.transfer += right.transfer
  }

  /// The mean over `count`.
  package static func / (split: TimeSplit, count: Int) -> TimeSplit {
    var mean = split
    mean.total /= Double(count)
    mean.compute /= Double(count)
    mean.wait /= Double(count)
    mean.sumUpdate /= Double(count)
    mean.transfer /= Double(count)
    return mean
  }
}
