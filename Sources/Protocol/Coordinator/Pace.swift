internal import Reduction

/// How fast a worker is: leaves a second from assignment to the last sum, transfer and waiting counted.
///
/// Cutting in proportion to it drives the workers' times towards each other, be they slow in computing, in sending, or
/// stopped now and then. A running mean in which the last five tasks or so count; longer ones count more.
package struct Pace: Sendable {
  private var leaves = 0.0
  private var seconds = 0.0
  private var computeSeconds = 0.0
  private var tasks = 0.0

  /// Takes in a finished task, and how long its threads have computed, each of them on average.
  package mutating func add(leaves newLeaves: Int, seconds newSeconds: Double, computeSeconds newComputeSeconds: Double)
  {
    let memory = SchedulingPolicy.paceMemory
    leaves = memory * leaves + Double(newLeaves)
    seconds = memory * seconds + max(newSeconds, SchedulingPolicy.minimumTaskSeconds)
    computeSeconds = memory * computeSeconds + newComputeSeconds
    tasks = memory * tasks + 1
  }

  /// The pace, once a task is taken in.
  package var leavesPerSecond: Double { leaves / seconds }

  /// The mean time of a leaf without transfer and waiting, once a task is taken in.
  package var computeSecondsPerLeaf: Double { computeSeconds / leaves }

  /// The mean time of a task, once one is taken in.
  package var secondsPerTask: Double { seconds / tasks }
}

/// Cuts `count` leaves by `weights`: how many each gets. Weights within a factor of 1.5 count as equal, because equal
/// cuts have the fewest nodes to push.
package func shares(of count: Int, weights: [Double]) -> [Int] {
  guard let least = weights.min(), let most = weights.max(), most > SchedulingPolicy.equalPaceFactor * least else {
    return weights.indices.map { ($0 + 1) * count / weights.count - $0 * count / weights.count }
  }
  let total = weights.reduce(0, +)
  var shares = weights.map { Int(Double(count) * $0 / total) }
  // What rounding down left goes to those who are done first with one more.
  for _ in shares.reduce(0, +)..<count {
    let next = weights.indices.min { Double(shares[$0] + 1) / weights[$0] < Double(shares[$1] + 1) / weights[$1] }!
    shares[next] += 1
  }
  return shares
}

/// What it takes to bring one vector of parameters, or one gradient, to or from a worker: the time of a step in which
/// nobody computes, for each of them. A running mean in which the last five steps or so count.
package struct TransferPace: Sendable {
  private var seconds = 0.0
  private var transfers = 0.0

  /// Takes in a step.
  package mutating func add(transfers newTransfers: Int, seconds newSeconds: Double) {
    let memory = SchedulingPolicy.paceMemory
    seconds = memory * seconds + max(newSeconds, 0)
    transfers = memory * transfers + Double(newTransfers)
  }

  /// Whether a link takes that time. What is shorter may be the time that threads wait for a core.
  package var isLong: Bool { secondsPerTransfer > SchedulingPolicy.slowTransferSeconds }

  /// 0 before there was a step.
  package var secondsPerTransfer: Double { transfers > 0 ? seconds / transfers : 0 }
}

extension ReductionTree {
  /// Cuts `range` for `count` workers so that each has a single node to push: how many leaves each gets. Nil where the
  /// range is more nodes than there are workers, or has fewer leaves.
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

  /// How many nodes are pushed where `range` is cut into `shares`.
  package func pushes(of range: Range<Int>, cutInto shares: [Int]) -> Int {
    var start = range.lowerBound
    return shares.reduce(0) { sum, share in
      defer { start += share }
      return sum + maximalNodes(in: start..<start + share).count
    }
  }
}
