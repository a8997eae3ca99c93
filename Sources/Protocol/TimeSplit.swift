/// How the time of steps was spent, in seconds. The parts add up to the total.
package struct TimeSplit: Equatable, Codable, Sendable {
  package private(set) var total = 0.0
  /// Of the worker that computed longest, the mean over its threads.
  package private(set) var compute = 0.0
  /// The rest: messages in flight, and workers that are not done.
  package private(set) var wait = 0.0
  /// Summing and updating in the coordinator.
  package private(set) var sumUpdate = 0.0
  /// Of that, what a rule that transforms whole tensors needs for them; nil if there is none.
  package private(set) var tensors: Double?
  /// Socket calls of the coordinator.
  package private(set) var transfer = 0.0

  package enum CodingKeys: String, CodingKey {
    case total, compute, wait, tensors
    case sumUpdate = "sum_update"
    case transfer
  }

  package init() {}

  /// Splits the time of a step, given each worker's threads.
  package init(_ report: StepReport, threads: [Int: Int]) {
    total = report.seconds
    sumUpdate = min(report.sumUpdateSeconds, total)
    tensors = report.tensorSeconds > 0 ? report.tensorSeconds : nil
    transfer = min(report.sendSeconds, total - sumUpdate)
    let longest = report.computeSeconds.map { $0.seconds / Double(max(threads[$0.worker] ?? 1, 1)) }.max() ?? 0
    compute = min(longest, total - sumUpdate - transfer)
    wait = total - sumUpdate - transfer - compute
  }

  package static func += (left: inout TimeSplit, right: TimeSplit) {
    left.total += right.total
    left.compute += right.compute
    left.wait += right.wait
    left.sumUpdate += right.sumUpdate
    if let tensors = right.tensors { left.tensors = (left.tensors ?? 0) + tensors }
    left.transfer += right.transfer
  }

  package static func / (split: TimeSplit, count: Int) -> TimeSplit {
    var mean = split
    mean.total /= Double(count)
    mean.compute /= Double(count)
    mean.wait /= Double(count)
    mean.sumUpdate /= Double(count)
    mean.tensors = split.tensors.map { $0 / Double(count) }
    mean.transfer /= Double(count)
    return mean
  }
}
