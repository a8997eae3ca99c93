import Foundation
import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// What a seed decides at the start: the job, and how many workers and faults there are.
struct Scenario {
  private static let plans = [
    StepPlan(trainCount: 53, testCount: 300, batchSize: 11, microBatches: 8, length: .epochs(2)),
    StepPlan(trainCount: 29, testCount: 0, batchSize: 13, microBatches: 13, length: .steps(7)),
    StepPlan(trainCount: 40, testCount: 600, batchSize: 8, microBatches: 4, length: .steps(9)),
    StepPlan(trainCount: 17, testCount: 10, batchSize: 17, microBatches: 16, length: .epochs(4)),
    StepPlan(trainCount: 12, testCount: 0, batchSize: 5, microBatches: 1, length: .epochs(3)),
    StepPlan(trainCount: 31, validationCount: 700, testCount: 700, batchSize: 11, microBatches: 4, length: .epochs(2)),
    StepPlan(trainCount: 23, validationCount: 40, testCount: 300, batchSize: 9, microBatches: 8, length: .steps(7)),
    StepPlan(trainCount: 20, validationCount: 300, testCount: 0, batchSize: 7, microBatches: 5, length: .epochs(3)),
  ]

  let plan: StepPlan
  var poison: [Int: [Int: TinyModel.Poison]] = [:]
  let onNonFinite: NonFinitePolicy
  let precision: Precision
  /// Whether evaluations read averages of the parameters.
  let isAveraged: Bool
  let updatesTogether: Bool
  let workers: Int
  /// Whether the workers are processes of the coordinator's own, as in `lockstep train`, and die with it.
  let isLocal: Bool
  /// Whether most workers offer to be relays.
  let hasRelays: Bool
  /// Whether workers join by others, too.
  let hasGroups: Bool
  /// How they are arranged.
  let topology: Topology?
  /// Whether most workers share memory with the coordinator.
  let sharesMemory: Bool
  /// How often a local worker that is killed is started again.
  let mostRestarts: Int
  /// When, in seconds, the run is asked to stop; whether it is then resumed.
  let stop: (after: Double, isResumed: Bool)?
  let faults: Int
  /// Whether all workers go for good at the last fault.
  let endsDeserted: Bool
  /// Seconds between ticks.
  let tick: Double
  /// The longest that a thread of the coordinator takes for one sum, in seconds.
  let longestSum: Double
  /// Steps between checkpoints, at least.
  let checkpointInterval: Int
  private let planIndex: Int?

  var welcome: Welcome { onNonFinite == .skip ? .skipping : .simulated }

  /// A job of one's own; `faults` processes and connections fail.
  init(
    _ plan: StepPlan, workers: Int, faults: Int = 0, onNonFinite: NonFinitePolicy = .stop,
    poison: [Int: [Int: TinyModel.Poison]] = [:], precision: Precision = .float32,
    isAveraged: Bool = false, hasRelays: Bool = false,
    hasGroups: Bool = false, topology: Topology? = .mesh
  ) {
    (self.topology, self.isAveraged) = (topology, isAveraged)
    (self.precision, self.hasRelays, self.hasGroups) = (precision, hasRelays || hasGroups, hasGroups)
    (self.plan, self.workers, self.faults, self.onNonFinite, self.poison) = (plan, workers, faults, onNonFinite, poison)
    (updatesTogether, endsDeserted, tick, checkpointInterval, planIndex) = (false, false, 0.1, 3, nil)
    (isLocal, mostRestarts, stop, sharesMemory, longestSum) = (false, 0, nil, true, 0.01)
  }

  init(using random: inout SeededGenerator) {
    let index = Int.random(in: 0..<Self.plans.count, using: &random)
    let whole = Self.plans[index]
    let hasLocalSteps = Bool.random(using: &random)
    planIndex = hasLocalSteps ? nil : index
    if hasLocalSteps {
      let divisors = (1...whole.microBatches).filter { whole.microBatches % $0 == 0 }
      let local = LocalSteps(
        steps: Int.random(in: 2...5, using: &random), replicas: divisors.randomElement(using: &random)!)
      plan = whole.with(
        local, evaluateEvery: Bool.random(using: &random) ? nil : Int.random(in: 1...6, using: &random))
    } else {
      plan = whole
    }
    onNonFinite = Bool.random(using: &random) ? .skip : .stop
    updatesTogether = Bool.random(using: &random)
    isLocal = Int.random(in: 0..<3, using: &random) == 0
    mostRestarts = Int.random(in: 0...3, using: &random)
    sharesMemory = Bool.random(using: &random)
    workers = Int.random(in: (isLocal ? 1 : 0)...4, using: &random)
    stop =
      Int.random(in: 0..<8, using: &random) > 0
      ? nil : (pow(2000, Double.random(in: 0...1, using: &random)) * 0.01, Bool.random(using: &random))
    faults = Int.random(in: 0...12, using: &random)
    endsDeserted = Int.random(in: 0..<20, using: &random) == 0
    tick = Double.random(in: 0.1...0.4, using: &random)
    checkpointInterval = Int.random(in: 1...5, using: &random)
    // Of a number that is drawn anyway, so that every seed keeps its schedule.
    isAveraged = Int(tick * 1e6) % 3 == 0
    longestSum = pow(0.1, Double.random(in: 1...5, using: &random))
    hasRelays = Int.random(in: 0..<3, using: &random) > 0
    hasGroups = hasRelays && !isLocal && Bool.random(using: &random)
    precision = Bool.random(using: &random) ? .bf16 : .float32
    topology =
      (hasGroups ? [nil, Topology.mesh, .star, .chain, .tree(2)] : [nil, .mesh, .mesh]).randomElement(using: &random)!
    if onNonFinite == .skip && Bool.random(using: &random) {
      for _ in 0...Int.random(in: 0...2, using: &random) {
        let step = Int.random(in: 0..<plan.totalSteps, using: &random)
        let position = plan.positions(ofStep: step).randomElement(using: &random)!
        poison[step, default: [:]][position] =
          Bool.random(using: &random) ? .loss : .gradient(Int.random(in: 0..<TinyModel.layout.count, using: &random))
      }
    }
  }

  /// The leaves of all tasks.
  var leafCount: Int {
    (0..<plan.totalSteps).reduce(0) { sum, step in
      let parts = plan.isEvaluationDue(afterStep: step) ? plan.heldOutParts : []
      return parts.reduce(sum + plan.tree(.train(step: step)).leafCount) { sum, part in
        sum + plan.tree(.evaluate(step: step + 1, part: part)).leafCount
      }
    }
  }

  private struct Variant: Hashable {
    let precision: Precision
    let isAveraged, updatesTogether: Bool
  }

  private var variant: Variant {
    Variant(precision: precision, isAveraged: isAveraged, updatesTogether: updatesTogether)
  }

  private static let unpoisoned = plans.map { plan in
    var results: [Variant: (result: RunResult, parameters: [[UInt32]])] = [:]
    for precision in Precision.allCases {
      for (isAveraged, updatesTogether) in [(false, false), (false, true), (true, false), (true, true)] {
        let model = TinyModel(plan: plan, precision: precision, isAveraged: isAveraged)
        results[Variant(precision: precision, isAveraged: isAveraged, updatesTogether: updatesTogether)] =
          model.undisturbed(updatesTogether: updatesTogether)
      }
    }
    return results
  }

  /// What the undisturbed run leaves, and its parameters after each number of steps.
  var expected: (result: RunResult, parameters: [[UInt32]]) {
    if let planIndex, poison.isEmpty, let expected = Self.unpoisoned[planIndex][variant] { return expected }
    return TinyModel(plan: plan, poison: poison, precision: precision, isAveraged: isAveraged)
      .undisturbed(updatesTogether: updatesTogether)
  }
}
