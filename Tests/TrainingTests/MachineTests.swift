import Models
import Testing
import Wire

@testable import Training

@Suite struct MachineTests {
  private static let plan = StepPlan(
    trainCount: 53, testCount: 300, batchSize: 11, microBatches: 8, length: .epochs(3))

  private func undisturbed(_ plan: StepPlan) -> MachineSimulation {
    var simulation = MachineSimulation(plan: plan, workers: 1, seed: 1)
    simulation.run()
    return simulation
  }

  @Test("any number of workers, in any interleaving, ends with the same bits", arguments: [1, 2, 3, 4, 5, 7, 12])
  func workersDoNotMatter(_ workers: Int) {
    let expected = undisturbed(Self.plan)
    #expect(expected.outcome == "" && expected.losses.count == Self.plan.totalSteps && expected.evaluations.count == 3)
    for _ in 0..<10 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var simulation = MachineSimulation(plan: Self.plan, workers: workers, seed: seed)
      simulation.run()
      #expect(simulation.outcome == "", "seed \(seed)")
      #expect(simulation.parameters == expected.parameters, "seed \(seed)")
      #expect(simulation.losses == expected.losses, "seed \(seed)")
      #expect(simulation.evaluations == expected.evaluations, "seed \(seed)")
    }
  }

  @Test("workers that die, freeze and join at any moment do not change a bit")
  func faultsDoNotMatter() {
    let expected = undisturbed(Self.plan)
    for _ in 0..<150 {
      let seed = UInt64.random(in: 0...UInt64.max)
      var simulation = MachineSimulation(plan: Self.plan, workers: 3, seed: seed)
      simulation.run(MachineSimulation.Faults(death: 8, join: 8, freeze: 4, thaw: 8))
      #expect(simulation.outcome == "", "seed \(seed)")
      #expect(simulation.parameters == expected.parameters, "seed \(seed)")
      #expect(simulation.losses == expected.losses, "seed \(seed)")
      #expect(simulation.evaluations == expected.evaluations, "seed \(seed)")
      let fates: Set = ["its connection is gone", "it was silent for 5 s"]
      #expect(simulation.departures.isSubset(of: fates), "seed \(seed): no worker has reason to leave by itself")
    }
  }

  @Test func zeroStepsEvaluateTheInitialModel() {
    let plan = StepPlan(trainCount: 5, testCount: 4, batchSize: 2, microBatches: 2, length: .steps(0))
    let simulation = undisturbed(plan)
    #expect(simulation.outcome == "" && simulation.losses.isEmpty && simulation.evaluations.count == 1)
  }

  @Test func aRunWithoutWorkersEndsWithAnError() {
    var simulation = MachineSimulation(plan: Self.plan, workers: 0, seed: 1)
    simulation.run()
    #expect(simulation.outcome == "no worker for 300 s: start some with `lockstep worker --connect …`")
    #expect(simulation.now.seconds(since: Instant(nanoseconds: 0)) < 302)
  }
}

/// What the coordinator does with messages that no honest worker sends.
@Suite struct CoordinatorMachineTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
  private let start = Instant(nanoseconds: 0)

  private func machine(awaiting workers: Int = 0) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: ChunkLayout(parameterCount: 3, size: 2),
        ready: Ready(data: "d", layout: ParameterLayout()), awaitedWorkers: workers, isClassification: true))
    _ = machine.handle(.started, at: start)
    return machine
  }

  /// A worker that has joined; its session.
  private func join(_ machine: inout CoordinatorMachine, _ peer: Peer, name: String = "w") -> UInt64 {
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: name, threads: 1)), from: peer), at: start)
    let session = machine.members[peer]!.session
    let ready = Ready(data: "d", layout: ParameterLayout())
    _ = machine.handle(.received(Header(.ready, run: 7, session: session), .ready(ready), from: peer), at: start)
    return session
  }

  private func refusal(_ actions: [CoordinatorMachine.Action]) -> String? {
    for case .send(let header, .reason(let reason), _) in actions where header.kind == .refuse { return reason }
    return nil
  }

  private func outcome(_ actions: [CoordinatorMachine.Action]) -> String?? {
    for case .end(let failure) in actions { return .some(failure) }
    return nil
  }

  @Test(
    "a worker that breaks the protocol is expelled with the reason",
    arguments: [
      (
        Header(.push, step: 5, leaves: 0..<4, task: .train), CoordinatorMachine.Content.gradient(byteCount: 8),
        "step 5, which has not begun"
      ),
      (Header(.push, leaves: 1..<3, task: .train), .gradient(byteCount: 8), "which are no node"),
      (Header(.push, leaves: 0..<5, task: .train), .gradient(byteCount: 8), "which are no node"),
      (Header(.push, leaves: 0..<4, chunk: 2, task: .train), .gradient(byteCount: 8), "as chunk 2"),
      (Header(.push, leaves: 0..<4, chunk: 1, task: .train), .gradient(byteCount: 8), "8 bytes as chunk 1"),
      (Header(.metrics, leaves: 0..<4, task: .train), .metrics(NodeMetrics(examples: 8)), "before it had pushed"),
      (Header(.metrics, leaves: 0..<4, task: .train), .metrics(NodeMetrics(examples: 9)), "9 examples"),
      (Header(.assign), .none, "which workers do not send"),
      (Header(.ready), .ready(Ready(data: "d", layout: ParameterLayout())), "ready twice"),
    ])
  func expelsViolators(_ header: Header, _ content: CoordinatorMachine.Content, _ reason: String) {
    var machine = machine()
    let peer = Peer(id: 1)
    var header = header
    header.session = join(&machine, peer)
    header.run = 7
    let actions = machine.handle(.received(header, content, from: peer), at: start)
    #expect(refusal(actions)?.contains(reason) == true, "\(String(describing: refusal(actions)))")
    #expect(machine.members[peer] == nil)
    #expect(outcome(actions) == nil, "the run goes on")
    #expect(machine.work?.unassigned == [0..<4], "its leaves are free again")
  }

  @Test func otherDataAndOtherModelsAreRefused() {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    for (ready, reason) in [
      (Ready(data: "other", layout: ParameterLayout()), "its data is not the coordinator's"),
      (Ready(data: "d", layout: layout), "its model has other parameters"),
    ] {
      var machine = machine()
      let peer = Peer(id: 1)
      _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: peer), at: start)
      let session = machine.members[peer]!.session
      let actions = machine.handle(
        .received(Header(.ready, run: 7, session: session), .ready(ready), from: peer), at: start)
      #expect(refusal(actions)?.contains(reason) == true)
    }
  }

  @Test func anOldSessionIsRefusedAndChangesNothing() {
    var machine = machine()
    let session = join(&machine, Peer(id: 1))
    for (run, old) in [(7 as UInt64, session + 1), (8, session), (0, 0)] {
      let push = Header(.push, run: run, session: old, leaves: 0..<4, task: .train)
      let actions = machine.handle(.received(push, .gradient(byteCount: 8), from: Peer(id: 1)), at: start)
      #expect(refusal(actions)?.contains("its session is over") == true)
      #expect(actions.count == 1)
    }
    #expect(machine.members[Peer(id: 1)] != nil)
  }

  @Test func aSilentWorkerIsGoneAfterTheLimitAndNotBefore() {
    var machine = machine()
    _ = join(&machine, Peer(id: 1))
    let early = machine.handle(.tick, at: Instant(nanoseconds: 4_900_000_000))
    #expect(refusal(early) == nil && machine.members.count == 1)
    let late = machine.handle(.tick, at: Instant(nanoseconds: 5_100_000_000))
    #expect(refusal(late)?.contains("silent for 5 s") == true && machine.members.isEmpty)
  }

  @Test func aPeerOfAnotherVersionIsToldSo() {
    var machine = machine()
    let actions = machine.handle(.malformed(.version(9), from: Peer(id: 3)), at: start)
    #expect(refusal(actions)?.contains("protocol version 9") == true)
  }

  @Test func aRunOfLocalWorkersFailsWhenTheLastEnds() {
    var machine = machine(awaiting: 2)
    _ = join(&machine, Peer(id: 1), name: "a")
    #expect(machine.work == nil, "it waits for the second")
    var actions = machine.handle(.processEnded(name: "b", "exit code 1"), at: start)
    #expect(outcome(actions) == nil && machine.work != nil, "it goes on with the first")
    actions = machine.handle(.processEnded(name: "a", "signal 9"), at: start)
    #expect(outcome(actions)?.flatMap { $0 }?.contains("none is left: signal 9") == true)
  }

  @Test func aLossThatIsNotFiniteEndsTheRun() {
    var machine = machine()
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    for chunk in 0..<2 as Range<UInt32> {
      let push = Header(.push, run: 7, session: session, leaves: 0..<4, chunk: chunk, task: .train)
      _ = machine.handle(.received(push, .gradient(byteCount: chunk == 0 ? 8 : 4), from: peer), at: start)
    }
    let metrics = Header(.metrics, run: 7, session: session, leaves: 0..<4, task: .train)
    let actions = machine.handle(
      .received(metrics, .metrics(NodeMetrics(examples: 8, loss: .nan)), from: peer), at: start)
    #expect(outcome(actions)?.flatMap { $0 }?.contains("the loss of step 1 is nan") == true)
  }
}
