/// The expected steps of a job for several numbers of hosts, topologies and precisions, and which of them to take.
package struct NetworkPlan: Sendable {
  /// A topology and a precision.
  package struct Way: Sendable {
    package let topology: Topology
    package let precision: Precision
    /// Of a step, for each of ``NetworkPlan/hosts``.
    package let seconds: [Double]
    /// The index of the last number of hosts that pays: from one host on, each number up to it makes a step at least
    /// ``NetworkPlan/leastGain`` shorter than the one before.
    package let payingIndex: Int

    package init(_ topology: Topology, _ precision: Precision, seconds: [Double]) {
      (self.topology, self.precision, self.seconds) = (topology, precision, seconds)
      payingIndex =
        seconds.indices.dropFirst().first { !pays(seconds[$0], after: seconds[$0 - 1]) }.map { $0 - 1 }
        ?? seconds.count - 1
    }

    /// Of a step with as many hosts as pay.
    package var payingSeconds: Double { seconds[payingIndex] }
  }

  /// The share by which a step must be shorter to pay for more hosts, another topology or another precision.
  package static let leastGain = 0.05

  /// 1, 2, 4 and so on, and last all hosts.
  package let hosts: [Int]
  /// The simpler ones first.
  package let ways: [Way]

  /// - Parameters:
  ///   - job: of any precision.
  ///   - hostCount: at most the job's micro-batches.
  ///   - topologies: the simpler ones first.
  ///   - precisions: the more exact ones first.
  package init(_ job: StepEstimate, hostCount: Int, topologies: [Topology], precisions: [Precision]) {
    precondition(hostCount > 0 && !topologies.isEmpty && !precisions.isEmpty)
    let powers = sequence(first: 1) { $0 * 2 }.prefix { $0 < hostCount }
    let hosts = Array(powers) + [hostCount]
    self.hosts = hosts
    ways = precisions.flatMap { precision in
      topologies.map { topology in
        Way(topology, precision, seconds: hosts.map { job.with(precision).seconds(topology, hosts: $0) })
      }
    }
  }

  /// The first of the ways than which none makes a step at least ``leastGain`` shorter, each with as many hosts as pay.
  package var best: Way {
    let shortest = ways.map(\.payingSeconds).min()
    guard let shortest, let best = ways.first(where: { !pays(shortest, after: $0.payingSeconds) }) else {
      preconditionFailure("a plan of no ways")
    }
    return best
  }
}

/// Whether a step of `seconds` is enough shorter than one of `former`.
private func pays(_ seconds: Double, after former: Double) -> Bool {
  seconds <= (1 - NetworkPlan.leastGain) * former
}
