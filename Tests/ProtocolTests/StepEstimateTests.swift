import Testing

@testable import Protocol

/// The expected seconds of a step, against numbers computed by hand.
@Suite struct StepEstimateTests {
  /// 128 chunks; a link carries the parameters in a second.
  private let job = StepEstimate(
    parameterCount: 1_280_000, bandwidth: 1.05 * 32 * 1_280_000, batchSeconds: 16, microBatches: 16)

  private func expect(
    _ job: StepEstimate, _ topology: Topology, hosts: Int, _ seconds: Double,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let found = job.seconds(topology, hosts: hosts)
    #expect(abs(found - seconds) < 1e-9, "\(found)", sourceLocation: location)
  }

  @Test func aLinkCarriesAllBytesAndAFewMore() {
    #expect(abs(job.vectorSeconds - 1) < 1e-12)
    #expect(abs(job.with(.bf16).vectorSeconds - 0.5) < 1e-12)
    // 1,863,690 parameters at 100 Mbit/s: 59,638,080 bits, and 5 % more.
    let other = StepEstimate(parameterCount: 1_863_690, bandwidth: 1e8, batchSeconds: 0, microBatches: 1)
    #expect(abs(other.vectorSeconds - 0.62619984) < 1e-12)
  }

  @Test func oneWorkerComputesAllAndSendsWhileItReceives() {
    for topology in [Topology.star, .mesh, .chain, .tree(2)] { expect(job, topology, hosts: 1, 16 + 1) }
  }

  @Test func theCoordinatorOfAStarServesAllWorkers() {
    expect(job, .star, hosts: 2, 8 + 1.15 * 2)
    expect(job, .star, hosts: 4, 4 + 1.15 * 4)
    expect(job, .star, hosts: 8, 2 + 1.15 * 8)
    expect(job.with(.bf16), .star, hosts: 8, 2 + 1.15 * 4)
  }

  @Test func aMemberOfAMeshSendsLessThanTwoVectors() {
    expect(job, .mesh, hosts: 2, 8 + 1.15 * 1.5 + 2 / 128)
    expect(job, .mesh, hosts: 4, 4 + 1.15 * 1.75 + 2 / 128)
    expect(job, .mesh, hosts: 8, 2 + 1.15 * 1.875 + 2 / 128)
  }

  /// Behind the first of 8 workers are 7, whose leaves are 3 nodes.
  @Test func aChainCarriesEachNodeOfWhatIsBehindALink() {
    expect(job, .chain, hosts: 2, 8 + 1.15 * 2 + 2 / 128)
    expect(job, .chain, hosts: 4, 4 + 1.15 * 3 + 6 / 128)
    expect(job, .chain, hosts: 8, 2 + 1.15 * 4 + 14 / 128)
  }

  @Test func aTreeCarriesASumOfEachChild() {
    expect(job, .tree(2), hosts: 2, 8 + 1.15 * 2)
    expect(job, .tree(2), hosts: 4, 4 + 1.15 * 2 + 2 / 128)
    expect(job, .tree(2), hosts: 8, 2 + 1.15 * 3 + 4 / 128)
    // Behind each of the coordinator's two are 7: a group of 4, and one of 3 whose leaves are two nodes.
    expect(job, .tree(2), hosts: 16, 1 + 1.15 * 4 + 6 / 128)
    expect(job, .tree(4), hosts: 4, 4 + 1.15 * 4)
  }

  /// What goes up in a step goes before what goes down.
  @Test func waitingForTheWholeGradientTakesTheTimesOfBothWays() {
    var waiting = job
    waiting.updatesTogether = true
    for topology in [Topology.star, .mesh, .chain, .tree(2)] { expect(waiting, topology, hosts: 1, 16 + 2) }
    expect(waiting, .star, hosts: 4, 4 + 8)
    // A relay's link is used both ways at once, both while sums go up and while parameters go down.
    expect(waiting, .mesh, hosts: 2, 8 + 1.15 * 2 + 2 / 128)
    expect(waiting, .mesh, hosts: 8, 2 + 1.15 * 2 + 2 / 128)
    expect(waiting, .chain, hosts: 8, 2 + 1.15 * (3 + 1) + 14 / 128)
    expect(waiting, .tree(2), hosts: 8, 2 + 1.15 * (2 + 2) + 4 / 128)
  }

  /// 5, 5 and 6 micro-batches are 7 nodes; 4, 4 and 8 are 3.
  @Test func unevenPartsAreTakenWhereSendingFewerSumsIsFaster() {
    expect(job, .star, hosts: 3, 8 + 1.15 * 3)
    var slow = job
    slow.batchSeconds = 160
    expect(slow, .star, hosts: 3, 60 + 1.15 * 7)
  }

  @Test func aThreadComputesWholeMicroBatches() {
    var threaded = job
    threaded.threads = 4
    expect(threaded, .mesh, hosts: 4, 4 + 1.15 * 1.75 + 2 / 128)
    // Two micro-batches take four threads as long as four.
    expect(threaded, .mesh, hosts: 8, 4 + 1.15 * 1.875 + 2 / 128)
  }

  /// 8,192 parameters are two chunks of 4,096, so two of the four workers are relays.
  @Test func aMeshHasAtMostARelayForEachChunk() {
    let small = StepEstimate(parameterCount: 8192, bandwidth: 1.05 * 32 * 8192, batchSeconds: 16, microBatches: 16)
    // A relay sends half of its sum, its slice's sum of all, and half of the parameters to three others.
    expect(small, .mesh, hosts: 4, 4 + 1.15 * (0.5 + 0.5 + 1.5) + 2 / 2)
    // A single chunk has no relays.
    let tiny = StepEstimate(parameterCount: 4096, bandwidth: 1.05 * 32 * 4096, batchSeconds: 16, microBatches: 16)
    expect(tiny, .mesh, hosts: 4, 4 + 1.15 * 4)
  }

  @Test func moreBandwidthAndFewerBytesAreNeverSlower() {
    for topology in [Topology.star, .mesh, .chain, .tree(2), .tree(3)] {
      for hosts in 1...16 {
        for together in [false, true] {
          for batchSeconds in [0.01, 1, 100] {
            var job = job
            (job.updatesTogether, job.batchSeconds) = (together, batchSeconds)
            let seconds = [1e6, 3e6, 1e7, 1e9, 1e12].map { bandwidth in
              job.bandwidth = bandwidth
              return job.seconds(topology, hosts: hosts)
            }
            #expect(seconds == seconds.sorted(by: >), "\(topology), \(hosts) hosts: \(seconds)")
            // Computing is left, of the worker with the most.
            #expect(seconds.last! >= batchSeconds / Double(hosts))
            job.bandwidth = 1e7
            let usual = job.seconds(topology, hosts: hosts)
            #expect(job.with(.bf16).seconds(topology, hosts: hosts) < usual)
            job.updatesTogether = false
            #expect(job.seconds(topology, hosts: hosts) <= usual)
            job.batchSeconds *= 2
            #expect(job.seconds(topology, hosts: hosts) > usual || together)
          }
        }
      }
    }
  }
}
