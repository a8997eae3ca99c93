internal import Reduction

/// A worker's speed: leaves a second, from the assignment to the last sum, with transfers and waiting. It is that of
/// computing alone for tasks whose chunks go through relays, where a worker waits for the others' links too, and for a
/// worker that shares the coordinator's memory, which may only have waited for a core.
///
/// Leaves are cut in proportion to it, so that all workers finish at about the same time. It is a running mean in which
/// long tasks count more (``SchedulingPolicy/paceMemory``).
package struct Pace: Sendable {
  private var leaves = 0.0
  private var seconds = 0.0
  private var pacedSeconds = 0.0
  private var computeSeconds = 0.0
  private var tasks = 0.0

  /// Adds a finished task; `computeSeconds` is the mean over the worker's threads.
  package mutating func add(
    leaves newLeaves: Int, seconds newSeconds: Double, computeSeconds newComputeSeconds: Double,
    countsComputingAlone: Bool = false
  ) {
    let memory = SchedulingPolicy.paceMemory
    leaves = memory * leaves + Double(newLeaves)
    seconds = memory * seconds + max(newSeconds, SchedulingPolicy.minimumTaskSeconds)
    pacedSeconds =
      memory * pacedSeconds
      + max(countsComputingAlone ? newComputeSeconds : newSeconds, SchedulingPolicy.minimumTaskSeconds)
    computeSeconds = memory * computeSeconds + newComputeSeconds
    tasks = memory * tasks + 1
  }

  package var leavesPerSecond: Double { leaves / pacedSeconds }

  /// The part of a task's time in which it computes.
  package var computeFraction: Double { computeSeconds / seconds }

  /// The mean time of a leaf without transfers and waiting.
  package var computeSecondsPerLeaf: Double { computeSeconds / leaves }

  package var secondsPerTask: Double { seconds / tasks }
}

/// The number of leaves for each of `weights`, in sum `count`. Weights within ``SchedulingPolicy/equalPaceFactor`` get
/// equal numbers.
package func shares(of count: Int, weights: [Double]) -> [Int] {
  guard let least = weights.min(), let most = weights.max(), most > SchedulingPolicy.equalPaceFactor * least else {
    return weights.indices.map { ($0 + 1) * count / weights.count - $0 * count / weights.count }
  }
  let total = weights.reduce(0, +)
  var shares = weights.map { Int(Double(count) * $0 / total) }
  // Rounding down leaves some over: each goes to the worker that would finish first with one more.
  for _ in shares.reduce(0, +)..<count {
    let next = weights.indices.min { Double(shares[$0] + 1) / weights[$0] < Double(shares[$1] + 1) / weights[$1] }!
    shares[next] += 1
  }
  return shares
}

/// The mean time to transfer a vector of parameters or a gradient: the part of a step in which no worker computes,
/// divided by its transfers.
package struct TransferPace: Sendable {
  private var seconds = 0.0
  private var transfers = 0.0

  package mutating func add(transfers newTransfers: Int, seconds newSeconds: Double) {
    let memory = SchedulingPolicy.paceMemory
    seconds = memory * seconds + max(newSeconds, 0)
    transfers = memory * transfers + Double(newTransfers)
  }

  /// Whether the time is that of a slow link, and not of threads that wait for a core.
  package var isLong: Bool { secondsPerTransfer > SchedulingPolicy.slowTransferSeconds }

  /// 0 before the first step.
  package var secondsPerTransfer: Double { transfers > 0 ? seconds / transfers : 0 }
}

extension ReductionTree {
  /// The number of leaves for each of `count` workers such that each has exactly one node; nil if there is no such cut.
  package func nodeShares(of range: Range<Int>, for count: Int) -> [Int]? {
    var nodes = maximalNodes(in: range)
    guard nodes.count <= count, count <= range.count else { return nil }
    while nodes.count < count {
      let largest = nodes.indices.max { (nodes[$0].leaves.count, $1) < (nodes[$1].leaves.count, $0) }!
      guard let (left, right) = nodes[largest].children else { return nil }
      nodes.replaceSubrange(largest...largest, with: [left, right])
    }
    return nodes.map(\.leaves.count)
  }

  /// The number of nodes if `range` is cut into `shares`.
  package func pushes(of range: Range<Int>, cutInto shares: [Int]) -> Int {
    var start = range.lowerBound
    return shares.reduce(0) { sum, share in
      defer { start += share }
      return sum + maximalNodes(in: start..<start + share).count
    }
  }
}
