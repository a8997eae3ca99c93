import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// What the machines do with one such thing, message by message.
@Suite struct NonFiniteMachineTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
  private let chunks = ChunkLayout(parameterCount: 3, size: 2)
  private let start = Instant(nanoseconds: 0)
  private let ready = {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    return Ready(data: "d", layout: layout, numerics: .simulated)
  }()

  /// A coordinator with one worker at work.
  private func machine(_ policy: NonFinitePolicy) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: chunks, fingerprint: ready.data, layout: ready.layout, numerics: .simulated,
        awaitedWorkers: 0, metrics: .loss, onNonFinite: policy))
    _ = machine.handle(.started, at: start)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 1)), at: start)
    let header = Header(.ready, run: 7, session: machine.members[Peer(id: 1)]!.session)
    _ = machine.handle(.received(header, .ready(ready), from: Peer(id: 1)), at: start)
    return machine
  }

  private func header(_ kind: MessageKind, _ machine: borrowing CoordinatorMachine, chunk: UInt32 = 0) -> Header {
    Header(
      kind, run: 7, session: machine.members[Peer(id: 1)]!.session, leaves: 0..<4, chunk: chunk, task: .train,
      weight: kind == .push ? 8 : 0)
  }

  private func outcome(_ actions: [CoordinatorMachine.Action]) -> String? {
    for case .end(let failure) in actions { return failure?.description ?? "" }
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
    "a step that is to be skipped ends only when all its roots are checked: before, its workers may not reuse gradients",
    arguments: [(NonFinitePolicy.skip, 8.0, 0), (.skip, 0, nil), (.stop, 0, nil)] as [(NonFinitePolicy, Double, Int?)])
  func aStepWaitsForItsChecks(_ policy: NonFinitePolicy, _ weight: Double, _ tensor: Int?) {
    var machine = machine(policy)
    var actions: [CoordinatorMachine.Action] = []
    for (chunk, byteCount) in [(0, 8), (1, 4)] as [(UInt32, Int)] {
      var push = header(.push, machine, chunk: chunk)
      push.weight = weight
      actions += machine.handle(.received(push, .gradient(byteCount: byteCount), from: Peer(id: 1)), at: start)
    }
    actions += machine.handle(.checked(chunk: 1, nonFinite: tensor), at: start)
    let metrics = NodeMetrics(examples: 8, weight: weight, sums: [1])
    actions += machine.handle(
      .received(header(.metrics, machine), .metrics(metrics), from: Peer(id: 1)), at: start)
    #expect(machine.step == 0 && !actions.contains { if case .skip = $0 { true } else { false } })
    actions = machine.handle(.checked(chunk: 0, nonFinite: nil), at: start)
    #expect(machine.step == 1 && machine.skippedSteps == 1 && updates(actions) == 0)
    #expect(actions.contains { if case .skip = $0 { true } else { false } })
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
    welcome.onNonFinite = policy
    _ = worker.handle(.started, at: start)
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(welcome)), at: start)
    _ = worker.handle(.loaded(ready, plan, chunks), at: start)
    for (chunk, byteCount) in [(0, 8), (1, 4)] as [(UInt32, Int)] {
      let parameters = Header(.parameters, run: 7, session: 1, chunk: chunk)
      _ = worker.handle(.received(parameters, .parameters(byteCount: byteCount)), at: start)
    }
    _ = worker.handle(.received(Header(.assign, run: 7, session: 1, leaves: 0..<4, task: .train), .none), at: start)
    // Finite pieces, whose sum is not.
    var actions = worker.handle(.computed(Node(0..<2), [NodeMetrics(examples: 4)]), at: start)
    actions += worker.handle(.computed(Node(2..<4), [NodeMetrics(examples: 4)]), at: start)
    actions += worker.handle(.combined(Node(0..<4), chunks: [0, 1], nonFinite: 0), at: start)
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
