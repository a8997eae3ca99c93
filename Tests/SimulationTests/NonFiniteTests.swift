import TestSupport
import Testing

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Losses and gradients that are infinite or not numbers, in the simulation.
@Suite struct NonFiniteTests {
  private typealias Poison = TinyModel.Poison
  // An epoch has 5 steps of 11 examples, the last of 9. Micro-batches 1 to 3 have two examples each, the others one.
  private static let plan = StepPlan(trainCount: 53, testCount: 30, batchSize: 11, microBatches: 8, length: .epochs(2))

  private func run(
    _ policy: NonFinitePolicy, _ poison: [Int: [Int: Poison]], workers: Int = 1, seed: UInt64 = 1, faults: Int = 0,
    plan: StepPlan = plan
  ) -> Simulation {
    var simulation = Simulation(
      seed: seed, Scenario(plan, workers: workers, faults: faults, onNonFinite: policy, poison: poison))
    simulation.runToEnd()
    return simulation
  }

  /// Step 3 by its gradient, 4 by its loss, 7 by a sum that overflows: positions 22, 33, 11 are their first.
  private static let poison: [Int: [Int: Poison]] = [
    2: [29: .gradient(4), 30: .gradient(0)], 3: [33: .loss], 6: [11: .half(3), 21: .half(3)],
  ]

  @Test("skipped steps leave the same bits for any number of workers, with deaths too", arguments: 1...5)
  func skipping(_ workers: Int) {
    for round in 0..<20 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var simulation = Simulation(
        seed: seed,
        Scenario(
          Self.plan, workers: workers, faults: round < 10 ? 0 : 8, onNonFinite: .skip, poison: Self.poison))
      let failure = simulation.run()
      #expect(failure == nil, "seed \(seed)")
      #expect(simulation.result.skipped == [3, 4, 7] && simulation.result.evaluations.count == 2, "seed \(seed)")
    }
  }

  @Test func theFirstSkippedStepIsNamedAndFurtherOnesAreNot() {
    let warnings = run(.skip, Self.poison).warnings.filter { $0.contains("not finite") }
    #expect(
      warnings == [
        "step 3: in micro-batch 5 of 8, which worker 1 (process 1) computed, the gradient of b is not finite: the step has no update; further ones are only counted"
      ])
  }

  @Test func aSkippedStepChangesNothing() {
    func length(_ steps: Int) -> StepPlan {
      StepPlan(trainCount: 53, testCount: 0, batchSize: 11, microBatches: 8, length: .steps(steps))
    }
    let before = run(.skip, [:], plan: length(2))
    let after = run(.skip, [2: [22: .gradient(2)]], plan: length(3))
    #expect(after.outcome == "" && after.result.skipped == [3] && after.result.parameters == before.result.parameters)
  }

  @Test(
    "a run that stops names the first place, and keeps the state before that step", arguments: 1...5,
    [
      ([29: .gradient(4), 30: .gradient(0)], 5, "the gradient of b"), ([31: .gradient(2), 23: .loss], 1, "the loss"),
      ([32: .gradient(1)], 8, "the gradient of a"), ([25: .gradient(1), 24: .gradient(4)], 2, "the gradient of b"),
    ] as [([Int: Poison], Int, String)])
  private func stopping(_ workers: Int, _ given: ([Int: Poison], Int, String)) {
    let (poison, microBatch, what) = given
    let plan = StepPlan(trainCount: 53, testCount: 0, batchSize: 11, microBatches: 8, length: .steps(2))
    let before = run(.stop, [:], plan: plan)
    for round in 0..<20 {
      let seed = UInt64.random(in: 0...UInt64.max)
      let simulation = run(.stop, [2: poison], workers: workers, seed: seed, faults: round < 10 ? 0 : 8)
      let outcome = simulation.outcome ?? "none"
      #expect(outcome.hasPrefix("step 3: in micro-batch \(microBatch) of 8, which worker "), "seed \(seed): \(outcome)")
      #expect(
        outcome.contains(") computed, \(what) is not finite, and the step's loss is "), "seed \(seed): \(outcome)")
      #expect(outcome.contains("--learning-rate") && outcome.contains("--scale standard"), "seed \(seed): \(outcome)")
      #expect(simulation.result.parameters == before.result.parameters, "seed \(seed)")
    }
  }

  @Test("a sum that overflows only between micro-batches stops the run before its chunk is updated", arguments: 1...5)
  func overflow(_ workers: Int) {
    for _ in 0..<20 {
      let seed = UInt64.random(in: 0...UInt64.max)
      let simulation = run(.stop, [2: [22: .half(4), 32: .half(4)]], workers: workers, seed: seed)
      let outcome = simulation.outcome ?? "none"
      #expect(outcome.hasPrefix("step 3: the gradient of b, summed, is not finite"), "seed \(seed): \(outcome)")
      #expect(!simulation.pendingUpdates.contains(2), "seed \(seed)")
    }
  }
}
