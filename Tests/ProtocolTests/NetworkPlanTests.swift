import Testing

@testable import Protocol

/// Which hosts, topology and precision pay.
@Suite struct NetworkPlanTests {
  private func job(_ bandwidth: Double, batchSeconds: Double = 1) -> StepEstimate {
    StepEstimate(parameterCount: 1_280_000, bandwidth: bandwidth, batchSeconds: batchSeconds, microBatches: 64)
  }

  @Test func hostsAreThePowersOfTwoAndAllOfThem() {
    func hosts(_ count: Int) -> [Int] {
      NetworkPlan(job(1e9), hostCount: count, topologies: [.star], precisions: [.float32]).hosts
    }
    #expect(hosts(1) == [1])
    #expect(hosts(2) == [1, 2])
    #expect(hosts(6) == [1, 2, 4, 6])
    #expect(hosts(8) == [1, 2, 4, 8])
  }

  @Test(arguments: [
    ([1.0], 0), ([1, 0.96], 0), ([1, 0.95], 1), ([1, 2, 0.1], 0), ([1, 0.9, 0.86, 0.5], 1), ([4, 2, 1], 2),
    ([1, 1], 0),
  ])
  func theFirstHostsThatDoNotMakeAStepFivePercentShorterDoNotPay(_ seconds: [Double], _ index: Int) {
    #expect(NetworkPlan.Way(.star, .float32, seconds: seconds).payingIndex == index)
  }

  @Test func onAFastNetworkAStarInFloat32IsTaken() {
    let plan = NetworkPlan(
      job(1e15), hostCount: 8, topologies: [.star, .mesh], precisions: [.float32, .bf16])
    let best = plan.best
    #expect(best.topology == .star && best.precision == .float32)
    #expect(plan.hosts[best.payingIndex] == 8)
    #expect(abs(best.payingSeconds - 0.125) < 1e-6)
  }

  @Test func onASlowNetworkAMeshInBF16IsTaken() {
    let plan = NetworkPlan(
      job(1e8, batchSeconds: 20), hostCount: 8, topologies: [.star, .mesh, .chain], precisions: [.float32, .bf16])
    let best = plan.best
    #expect(best.topology == .mesh && best.precision == .bf16)
    #expect(plan.hosts[best.payingIndex] == 8)
  }

  @Test func moreThanFivePercentIsNeededForBF16() {
    // All is computing but for a share of S = 0.43 s: bf16 saves half of it.
    func precision(_ batchSeconds: Double) -> Precision {
      NetworkPlan(
        job(1e8, batchSeconds: batchSeconds), hostCount: 1, topologies: [.star], precisions: [.float32, .bf16]
      ).best.precision
    }
    #expect(precision(3.8) == .bf16)
    #expect(precision(3.95) == .float32)
  }
}
