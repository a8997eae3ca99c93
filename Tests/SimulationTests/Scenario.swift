import TestSupport

@testable import Training

/// What a seed decides at the start: the job, and how many workers and faults there are.
struct Scenario {
  private static let plans = [
    StepPlan(trainCount: 53, testCount: 300, batchSize: 11, microBatches: 8, length: .epochs(2)),
    StepPlan(trainCount: 29, testCount: 0, batchSize: 13, microBatches: 13, length: .steps(7)),
    StepPlan(trainCount: 40, testCount: 600, batchSize: 8, microBatches: 4, length: .steps(9)),
    StepPlan(trainCount: 17, testCount: 10, batchSize: 17, microBatches: 16, length: .epochs(4)),
    StepPlan(trainCount: 12, testCount: 0, batchSize: 5, microBatches: 1, length: .epochs(3)),
  ]

  let plan: StepPlan
  var poison: [Int: [Int: TinyModel.Poison]] = [:]
  let onNonFinite: NonFinitePolicy
  let updatesTogether: Bool
  let workers: Int
  let faults: Int
  /// Whether all workers go for good at the last fault.
  let endsDeserted: Bool
  /// Seconds between ticks.
  let tick: Double
  /// Steps between checkpoints, at least.
  let checkpointInterval: Int
  private let planIndex: Int?

  var welcome: Welcome { onNonFinite == .skip ? .skipping : .simulated }

  /// A job of one's own; `faults` processes and connections fail.
  init(
    _ plan: StepPlan, workers: Int, faults: Int = 0, onNonFinite: NonFinitePolicy = .stop,
    poison: [Int: [Int: TinyModel.Poison]] = [:]
  ) {
    (self.plan, self.workers, self.faults, self.onNonFinite, self.poison) = (plan, workers, faults, onNonFinite, poison)
    (updatesTogether, endsDeserted, tick, checkpointInterval, planIndex) = (false, false, 0.1, 3, nil)
  }

  init(using random: inout SeededGenerator) {
    let index = Int.random(in: 0..<Self.plans.count, using: &random)
    planIndex = index
    plan = Self.plans[index]
    onNonFinite = Bool.random(using: &random) ? .skip : .stop
    updatesTogether = Bool.random(using: &random)
    workers = Int.random(in: 0...4, using: &random)
    faults = Int.random(in: 0...12, using: &random)
    endsDeserted = Int.random(in: 0..<20, using: &random) == 0
    tick = Double.random(in: 0.1...0.4, using: &random)
    checkpointInterval = Int.random(in: 1...5, using: &random)
    if onNonFinite == .skip && Bool.random(using: &random) {
      for _ in 0...Int.random(in: 0...2, using: &random) {
        let step = Int.random(in: 0..<plan.totalSteps, using: &random)
        let position = plan.positions(ofStep: step).randomElement(using: &random)!
        poison[step, default: [:]][position] =
          Bool.random(using: &random) ? .loss : .gradient(Int.random(in: 0..<5, using: &random))
      }
    }
  }

  private static let unpoisoned = plans.map { plan in
    [false, true].map { TinyModel(plan: plan).result(updatesTogether: $0) }
  }

  /// What the undisturbed run leaves.
  var expected: RunResult {
    if let planIndex, poison.isEmpty { return Self.unpoisoned[planIndex][updatesTogether ? 1 : 0] }
    return TinyModel(plan: plan, poison: poison).result(updatesTogether: updatesTogether)
  }
}
