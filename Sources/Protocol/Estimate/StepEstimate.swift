internal import Reduction

/// The expected seconds of a training step of workers on hosts of one network, of which each has a link of its own, as
/// fast each way. The coordinator is on one more host. The guide's page Scaling derives the formulas.
///
/// A step is the time in which the busiest worker computes, and the time in which the busiest link carries what passes it:
/// the parameters' bytes once for each vector, which is the parameters for a worker, or a sum of gradients. What the
/// coordinator and the relays need for sums and updates is not counted.
package struct StepEstimate: Equatable, Sendable {
  /// At least 1.
  package var parameterCount: Int
  package var precision: Precision
  /// Bits a second that each host's link carries each way; above 0.
  package var bandwidth: Double
  /// The seconds in which one worker computes the whole batch.
  package var batchSeconds: Double
  /// In a step; at least 1.
  package var microBatches: Int
  /// Compute threads of each worker; at least 1.
  package var threads: Int
  /// Whether no chunk is updated before all sums have come, so that parameters go out only after that.
  package var updatesTogether: Bool

  /// Bytes on the link for each byte of parameters or sums: headers, TCP and encryption.
  static let overhead = 1.05
  /// The time of a link that carries chunks of several workers both ways at once, over that of its bytes at full speed.
  /// Measured.
  static let sharing = 1.15

  package init(
    parameterCount: Int, precision: Precision = .float32, bandwidth: Double, batchSeconds: Double, microBatches: Int,
    threads: Int = 1, updatesTogether: Bool = false
  ) {
    precondition(parameterCount > 0 && bandwidth > 0 && batchSeconds >= 0 && microBatches > 0 && threads > 0)
    (self.parameterCount, self.precision, self.bandwidth) = (parameterCount, precision, bandwidth)
    (self.batchSeconds, self.microBatches, self.threads) = (batchSeconds, microBatches, threads)
    self.updatesTogether = updatesTogether
  }

  /// The same with `precision`.
  package func with(_ precision: Precision) -> StepEstimate {
    var estimate = self
    estimate.precision = precision
    return estimate
  }

  /// S, the seconds in which a link carries all parameters once.
  package var vectorSeconds: Double {
    StepEstimate.overhead * 8 * Double(parameterCount) * Double(precision.element.size) / bandwidth
  }

  /// The seconds of a step of a worker on each of `hosts` hosts, from 1 to ``microBatches``.
  package func seconds(_ topology: Topology, hosts: Int) -> Double {
    precondition((1...microBatches).contains(hosts), "\(hosts) hosts share \(microBatches) micro-batches")
    let tree = ReductionTree(leafCount: microBatches)
    let even = shares(of: microBatches, weights: Array(repeating: 1, count: hosts))
    // As the coordinator does: equal parts, or parts of which each is one sum, where sending fewer pays.
    let cuts = [even] + [tree.nodeShares(of: 0..<microBatches, for: hosts)].compactMap(\.self)
    let chunks = ChunkLayout(
      parameterCount: parameterCount, size: ChunkLayout.networkSize(parameterCount), precision: precision)
    return cuts.map { cut in
      let route = RouteLoad(topology, cut, of: tree, relays: min(hosts, chunks.parameterChunks))
      return computeSeconds(cut)
        + vectorSeconds
        * (route.vectors(updatesTogether: updatesTogether)
          // What passes relays is that many chunks later.
          + Double(2 * route.relaysInARow) / Double(chunks.parameterChunks))
    }.min()!
  }

  /// Of the worker with the most micro-batches. Each of its threads computes one at a time.
  private func computeSeconds(_ cut: [Int]) -> Double {
    func rounds(_ leaves: Int) -> Int { (leaves + threads - 1) / threads }
    return batchSeconds * Double(rounds(cut.max()!)) / Double(rounds(microBatches))
  }
}

/// What each host's link carries in a step.
private struct RouteLoad {
  /// Vectors that a host's link carries in a step: up are sums, down are parameters.
  private struct Link {
    var upIn = 0.0
    var upOut = 0.0
    var downIn = 0.0
    var downOut = 0.0
  }

  private var links: [Link] = []
  private let workerCount: Int
  /// The most relays between the coordinator and a worker.
  private(set) var relaysInARow = 0

  /// - Parameters:
  ///   - cut: the micro-batches of each worker; none is 0.
  ///   - relays: the relays of a mesh.
  init(_ topology: Topology, _ cut: [Int], of tree: ReductionTree, relays: Int) {
    workerCount = cut.count
    var ends: [Int] = [0]
    for count in cut { ends.append(ends.last! + count) }
    /// The sums that stand for the micro-batches of these workers.
    func sums(_ workers: Range<Int>) -> Int {
      workers.isEmpty ? 0 : tree.maximalNodes(in: ends[workers.lowerBound]..<ends[workers.upperBound]).count
    }
    let workers = cut.indices
    switch topology {
    case .mesh where relays > 1:
      let all = workers.reduce(0) { $0 + sums($1..<$1 + 1) }
      addMesh(workers.map { sums($0..<$0 + 1) }, all: all, relays: Double(relays))
    case .star, .mesh: addServer(of: workers, children: workers.count, isRelay: false, sums)
    case .chain: addServer(of: workers, children: 1, isRelay: false, sums)
    case .tree(let children): addServer(of: workers, children: children, isRelay: false, sums)
    }
  }

  /// A host and those behind it, which are `workers` without the host itself. These are cut into groups, along the binary
  /// tree; the last worker of each is the relay of the others in it.
  private mutating func addServer(
    of workers: Range<Int>, children: Int, isRelay: Bool, depth: Int = 0, _ sums: (Range<Int>) -> Int
  ) {
    guard !workers.isEmpty else { return }
    relaysInARow = max(relaysInARow, depth)
    let sizes = ReductionTree(leafCount: workers.count)
      .nodeShares(of: 0..<workers.count, for: min(children, workers.count))!
    var link = Link(downIn: isRelay ? 1 : 0, downOut: Double(sizes.count))
    var start = workers.lowerBound
    for size in sizes {
      link.upIn += Double(sums(start..<start + size))
      addServer(
        of: start..<start + size - 1, children: children, isRelay: true, depth: depth + 1, sums)
      start += size
    }
    // Its own micro-batches follow those of the workers behind it.
    if isRelay { link.upOut = Double(sums(workers.lowerBound..<workers.upperBound + 1)) }
    links.append(link)
  }

  /// Members of which the first `relays` sum a slice each.
  private mutating func addMesh(_ sums: [Int], all: Int, relays: Double) {
    relaysInARow = 1
    for (member, own) in sums.enumerated() {
      let isRelay = Double(member) < relays
      let (own, others) = (Double(own), Double(all - own))
      links.append(
        isRelay
          ? Link(
            upIn: others / relays, upOut: own * (relays - 1) / relays + 1 / relays, downIn: 1,
            downOut: Double(sums.count - 1) / relays)
          : Link(upOut: own, downIn: 1))
    }
  }

  /// The time that the busiest link takes, in that of a vector. Both ways are used at once, unless nothing goes down
  /// before everything has come up.
  func vectors(updatesTogether: Bool) -> Double {
    func most(_ time: (Link) -> Double) -> Double { links.map(time).max() ?? 0 }
    let atOnce = most { time(in: $0.upIn + $0.downIn, out: $0.upOut + $0.downOut) }
    guard updatesTogether else { return atOnce }
    return max(atOnce, most { time(in: $0.upIn, out: $0.upOut) } + most { time(in: $0.downIn, out: $0.downOut) })
  }

  private func time(in received: Double, out sent: Double) -> Double {
    max(received, sent) * (min(received, sent) > 0 && workerCount > 1 ? StepEstimate.sharing : 1)
  }
}
