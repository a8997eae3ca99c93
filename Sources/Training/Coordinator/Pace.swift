/// How fast a worker is: leaves a second from assignment to the last sum, transfer and waiting counted.
///
/// Cutting in proportion to it drives the workers' times towards each other, be they slow in computing, in sending, or
/// stopped now and then. A running mean in which the last five tasks or so count; longer ones count more.
struct Pace: Sendable {
  private var leaves = 0.0
  private var seconds = 0.0
  private var tasks = 0.0

  /// Takes in a finished task.
  mutating func add(leaves newLeaves: Int, seconds newSeconds: Double) {
    let memory = 0.8
    leaves = memory * leaves + Double(newLeaves)
    seconds = memory * seconds + max(newSeconds, 1e-9)
    tasks = memory * tasks + 1
  }

  /// The pace, once a task is taken in.
  var leavesPerSecond: Double { leaves / seconds }

  /// The mean time of a task, once one is taken in.
  var secondsPerTask: Double { seconds / tasks }
}

/// Cuts `count` leaves by `weights`: how many each gets. Weights within a factor of 1.5 count as equal, because equal
/// cuts have the fewest nodes to push.
func shares(of count: Int, weights: [Double]) -> [Int] {
  guard let least = weights.min(), let most = weights.max(), most > 1.5 * least else {
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
