import Testing

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Runs without faults, and without workers.
@Suite struct InterleavingTests {
  private static let plan = StepPlan(
    trainCount: 53, testCount: 300, batchSize: 11, microBatches: 8, length: .epochs(3))

  @Test(
    "any number of workers, in any interleaving, ends with the same bits", arguments: [1, 2, 3, 4, 5, 7, 12],
    Precision.allCases)
  private func workersDoNotMatter(_ workers: Int, _ precision: Precision) {
    for _ in 0..<10 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var simulation = Simulation(seed: seed, Scenario(Self.plan, workers: workers, precision: precision))
      let failure = simulation.run()
      #expect(failure == nil, "seed \(seed)")
      #expect(simulation.result.losses.count == Self.plan.totalSteps && simulation.result.evaluations.count == 3)
    }
  }

  @Test func zeroStepsEvaluateTheInitialModel() {
    let plan = StepPlan(trainCount: 5, testCount: 4, batchSize: 2, microBatches: 2, length: .steps(0))
    var simulation = Simulation(seed: 1, Scenario(plan, workers: 1))
    simulation.runToEnd()
    #expect(simulation.outcome == "" && simulation.violation == nil)
    #expect(simulation.result.losses.isEmpty && simulation.result.evaluations.count == 1)
  }

  @Test func zeroStepsEvaluateTheInitialModelOnBothParts() {
    let plan = StepPlan(
      trainCount: 5, validationCount: 3, testCount: 4, batchSize: 2, microBatches: 2, length: .steps(0))
    var simulation = Simulation(seed: 1, Scenario(plan, workers: 1))
    let failure = simulation.run()
    #expect(failure == nil && simulation.result.evaluations.map(\.part) == [.validation, .test])
  }

  @Test("the validation part is evaluated each epoch, the test part once", arguments: [1, 2, 3, 5])
  func validation(_ workers: Int) {
    let plan = StepPlan(
      trainCount: 53, validationCount: 600, testCount: 600, batchSize: 11, microBatches: 8, length: .epochs(3))
    for round in 0..<20 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var simulation = Simulation(seed: seed, Scenario(plan, workers: workers, faults: round < 10 ? 0 : 8))
      let failure = simulation.run()
      #expect(failure == nil, "seed \(seed)")
      #expect(
        simulation.result.evaluations.map(\.part) == [.validation, .validation, .validation, .test], "seed \(seed)")
      #expect(simulation.result.evaluations.map(\.step) == [5, 10, 15, 15], "seed \(seed)")
    }
  }

  @Test func aRunWithoutWorkersEndsWithAnError() {
    var simulation = Simulation(seed: 1, Scenario(Self.plan, workers: 0))
    simulation.isDeserted = true
    simulation.runToEnd()
    #expect(simulation.outcome == "no worker for 300 s: start some with `lockstep worker --connect …`")
    #expect(simulation.seconds < 302)
  }
}
