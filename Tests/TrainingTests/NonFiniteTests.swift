import Models
import TestSupport
import Testing
import Wire

@testable import Training

/// Losses and gradients that are infinite or not numbers, in the simulation.
@Suite struct NonFiniteTests {
  private typealias Poison = MachineSimulation.Poison
  // An epoch has 5 steps of 11 examples, the last of 9. Micro-batches 1 to 3 have two examples each, the others one.
  private static let plan = StepPlan(trainCount: 53, testCount: 30, batchSize: 11, microBatches: 8, length: .epochs(2))
  private static let faults = MachineSimulation.Faults(death: 8, join: 8, freeze: 4, thaw: 8)

  private func run(
    _ policy: NonFinitePolicy, _ poison: [Int: [Int: Poison]], workers: Int = 1, seed: UInt64 = 1,
    _ faults: MachineSimulation.Faults = .init(), plan: StepPlan = plan
  ) -> MachineSimulation {
    var simulation = MachineSimulation(
      plan: plan, workers: workers, seed: seed, onNonFinite: policy, poison: poison)
    simulation.run(faults)
    return simulation
  }

  /// Step 3 by its gradient, 4 by its loss, 7 by a sum that overflows: positions 22, 33, 11 are their first.
  private static let poison: [Int: [Int: Poison]] = [
    2: [29: .gradient(4), 30: .gradient(0)], 3: [33: .loss], 6: [11: .half(3), 21: .half(3)],
  ]

  @Test("skipped steps leave the same bits for any number of workers, with deaths too", arguments: 1...5)
  func skipping(_ workers: Int) {
    let expected = run(.skip, Self.poison)
    #expect(expected.outcome == "" && expected.skipped == [3, 4, 7] && expected.evaluations.count == 2)
    for round in 0..<20 {
      let seed = UInt64.random(in: 0...UInt64.max)
      let simulation = run(
        .skip, Self.poison, workers: workers, seed: seed, round < 10 ? .init() : Self.faults)
      #expect(simulation.outcome == "", "seed \(seed)")
      #expect(simulation.skipped == expected.skipped, "seed \(seed)")
      #expect(simulation.parameters == expected.parameters, "seed \(seed)")
      #expect(simulation.evaluations == expected.evaluations, "seed \(seed)")
      // A loss that is not a number has no certain bits.
      let losses = zip(simulation.losses, expected.losses).map { Double(bitPattern: $0) - Double(bitPattern: $1) }
      #expect(losses.enumerated().allSatisfy { $0 == 3 ? $1.isNaN : $1 == 0 }, "seed \(seed)")
    }
  }

  @Test func theFirstSkippedStepIsNamedAndFurtherOnesAreNot() {
    let warnings = run(.skip, Self.poison).warnings.filter { $0.contains("not finite") }
    #expect(
      warnings == [
        "step 3: in micro-batch 5 of 8, which worker 1 (worker 1) computed, the gradient of b is not finite: the step has no update; further ones are only counted"
      ])
  }

  @Test func aSkippedStepChangesNothing() {
    func length(_ steps: Int) -> StepPlan {
      StepPlan(trainCount: 53, testCount: 0, batchSize: 11, microBatches: 8, length: .steps(steps))
    }
    let before = run(.skip, [:], plan: length(2))
    let after = run(.skip, [2: [22: .gradient(2)]], plan: length(3))
    #expect(after.outcome == "" && after.skipped == [3] && after.parameters == before.parameters)
  }

  @Test(
    "a run that stops names the first place, and has updated nothing in that step", arguments: 1...5,
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
      let simulation = run(.stop, [2: poison], workers: workers, seed: seed, round < 10 ? .init() : Self.faults)
      let outcome = simulation.outcome ?? "none"
      #expect(outcome.hasPrefix("step 3: in micro-batch \(microBatch) of 8, which worker "), "seed \(seed): \(outcome)")
      #expect(
        outcome.contains(") computed, \(what) is not finite, and the step's loss is "), "seed \(seed): \(outcome)")
      #expect(outcome.contains("--learning-rate") && outcome.contains("--scale standard"), "seed \(seed): \(outcome)")
      #expect(simulation.pendingUpdates.isEmpty, "seed \(seed)")
      #expect(simulation.parameters == before.parameters, "seed \(seed)")
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

/// What the machines do with one such thing, message by message.
@Suite struct NonFiniteMachineTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
  private let chunks = ChunkLayout(parameterCount: 3, size: 2)
  private let start = Instant(nanoseconds: 0)
  private let ready = {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    return Ready(data: "d", layout: layout)
  }()

  /// A coordinator with one worker at work.
  private func machine(_ policy: NonFinitePolicy) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: chunks, ready: ready, awaitedWorkers: 0, isClassification: false,
        onNonFinite: policy))
    _ = machine.handle(.started, at: start)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 1)), at: start)
    let header = Header(.ready, run: 7, session: machine.members[Peer(id: 1)]!.session)
    _ = machine.handle(.received(header, .ready(ready), from: Peer(id: 1)), at: start)
    return machine
  }

  private func header(_ kind: MessageKind, _ machine: CoordinatorMachine, chunk: UInt32 = 0) -> Header {
    Header(
      kind, run: 7, session: machine.members[Peer(id: 1)]!.session, leaves: 0..<4, chunk: chunk, task: .train)
  }

  private func outcome(_ actions: [CoordinatorMachine.Action]) -> String? {
    for case .end(let failure) in actions { return failure ?? "" }
    return nil
  }

  private func updates(_ actions: [CoordinatorMachine.Action]) -> Int {
    actions.count { if case .update = $0 { true } else { false } }
  }

  @Test func aPlaceThatDoesNotExistIsNotBelieved() {
    for flaw in [
      NodeMetrics.Flaw(leaf: 4, tensor: 0), NodeMetrics.Flaw(leaf: 0, tensor: 1),
      NodeMetrics.Flaw(leaf: nil, tensor: 2_000_000_000),
    ] {
      var machine = machine(.stop)
      let actions = machine.handle(
        .received(header(.metrics, machine), .metrics(NodeMetrics(examples: 8, flaw: flaw)), from: Peer(id: 1)),
        at: start)
      #expect(outcome(actions) == nil && machine.members.isEmpty, "\(flaw)")
    }
  }

  @Test func inSkipModeTheGradientIsNeededAllTheSame() {
    var machine = machine(.skip)
    let flaw = NodeMetrics.Flaw(leaf: 0, tensor: 0)
    _ = machine.handle(
      .received(header(.metrics, machine), .metrics(NodeMetrics(examples: 8, flaw: flaw)), from: Peer(id: 1)),
      at: start)
    #expect(machine.members.isEmpty, "expelled: it had pushed nothing")
  }

  @Test func inSkipModeNoChunkIsUpdatedBeforeAllRootsAreKnown() {
    var machine = machine(.skip)
    var actions: [CoordinatorMachine.Action] = []
    for (chunk, byteCount) in [(0, 8), (1, 4)] as [(UInt32, Int)] {
      actions += machine.handleAnswering(
        .received(header(.push, machine, chunk: chunk), .gradient(byteCount: byteCount), from: Peer(id: 1)), at: start)
    }
    #expect(updates(actions) == 0)
    let metrics = NodeMetrics(examples: 8, loss: 1)
    actions = machine.handleAnswering(
      .received(header(.metrics, machine), .metrics(metrics), from: Peer(id: 1)), at: start)
    #expect(updates(actions) == 2 && machine.step == 1 && machine.skippedSteps == 0)
  }

  @Test(
    "an update that makes parameters not finite ends the run before they become the current ones",
    arguments: [NonFinitePolicy.stop, .skip])
  func updatesThatOverflow(_ policy: NonFinitePolicy) {
    var machine = machine(policy)
    for (chunk, byteCount) in [(0, 8), (1, 4)] as [(UInt32, Int)] {
      let push = header(.push, machine, chunk: chunk)
      _ = machine.handle(.received(push, .gradient(byteCount: byteCount), from: Peer(id: 1)), at: start)
      _ = machine.handle(.checked(chunk: Int(chunk), nonFinite: nil), at: start)
    }
    let metrics = header(.metrics, machine)
    var actions = machine.handle(
      .received(metrics, .metrics(NodeMetrics(examples: 8, loss: 1)), from: Peer(id: 1)), at: start)
    actions += machine.handle(.updated(chunk: 0, nonFinite: nil), at: start)
    actions += machine.handle(.updated(chunk: 1, nonFinite: 0), at: start)
    #expect(outcome(actions) == "the update of step 1 makes w not finite: try a smaller --learning-rate")
    #expect(!actions.contains { if case .advance = $0 { true } else { false } })
  }

  @Test(
    "a worker pushes a gradient that is not finite only where its step is skipped",
    arguments: [NonFinitePolicy.stop, .skip])
  func workers(_ policy: NonFinitePolicy) {
    var worker = WorkerMachine(address: "here")
    var welcome = Welcome.simulated
    welcome.job.onNonFinite = policy
    _ = worker.handle(.started, at: start)
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(welcome)), at: start)
    _ = worker.handle(.loaded(ready, plan, chunks), at: start)
    for (chunk, byteCount) in [(0, 8), (1, 4)] as [(UInt32, Int)] {
      let parameters = Header(.parameters, run: 7, session: 1, chunk: chunk)
      _ = worker.handle(.received(parameters, .parameters(byteCount: byteCount)), at: start)
    }
    _ = worker.handle(.received(Header(.assign, run: 7, session: 1, leaves: 0..<4, task: .train), .none), at: start)
    // Finite pieces, whose sum is not.
    var actions = worker.handle(.computed(Node(0..<2), NodeMetrics(examples: 4)), at: start)
    actions += worker.handle(.computed(Node(2..<4), NodeMetrics(examples: 4)), at: start)
    actions += worker.handle(.combined(Node(0..<4), nonFinite: 0), at: start)
    var sent: [MessageKind] = []
    var flaw: NodeMetrics.Flaw?
    for case .send(let header, let body) in actions {
      sent.append(header.kind)
      if case .metrics(let metrics) = body { flaw = metrics.flaw }
    }
    #expect(sent == (policy == .stop ? [.metrics] : [.push, .push, .metrics]))
    #expect(flaw == NodeMetrics.Flaw(leaf: nil, tensor: 0))
    #expect(actions.contains { if case .release = $0 { true } else { false } })
  }
}
