import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// What the coordinator does with messages that no honest worker sends.
@Suite struct CoordinatorMachineTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
  private let start = Instant(nanoseconds: 0)

  private func machine(
    awaiting workers: Int = 0, _ plan: StepPlan? = nil, start steps: Int = 0, evaluated: [HeldOutPart: Int] = [:]
  ) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, start: steps, evaluatedSteps: evaluated, plan: plan ?? self.plan,
        chunks: ChunkLayout(parameterCount: 3, size: 2),
        fingerprint: "d", layout: ParameterLayout(), numerics: .simulated, awaitedWorkers: workers, metrics: .loss))
    _ = machine.handle(.started, at: start)
    return machine
  }

  /// A worker that has joined; its session.
  private func join(_ machine: inout CoordinatorMachine, _ peer: Peer, name: String = "w") -> UInt64 {
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: name, threads: 1)), from: peer), at: start)
    let session = machine.members[peer]!.session
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
    _ = machine.handle(.received(Header(.ready, run: 7, session: session), .ready(ready), from: peer), at: start)
    return session
  }

  private func refusal(_ actions: [CoordinatorMachine.Action]) -> String? {
    for case .send(let header, .reason(let reason), _) in actions where header.kind == .refuse { return reason }
    return nil
  }

  private func outcome(_ actions: [CoordinatorMachine.Action]) -> String?? {
    for case .end(let failure) in actions { return .some(failure?.description) }
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
      (Header(.push, leaves: 0..<2, task: .train), .gradient(byteCount: 8), "no node that it was to compute"),
      (Header(.push, leaves: 0..<4, chunk: 2, task: .train), .gradient(byteCount: 8), "as chunk 2"),
      (Header(.push, leaves: 0..<4, chunk: 1, task: .train), .gradient(byteCount: 8), "8 bytes as chunk 1"),
      (Header(.push, leaves: 0..<4, task: .train, vector: .moments), .gradient(byteCount: 8), "a chunk of moments"),
      (Header(.push, leaves: 0..<4, task: .train, element: .bf16), .gradient(byteCount: 8), "in bf16"),
      (
        Header(.metrics, leaves: 0..<4, task: .train), .metrics(NodeMetrics(examples: 8, weight: 8, sums: [0, 0])),
        "2 sums"
      ),
      (Header(.metrics, leaves: 0..<4, task: .train), .metrics(NodeMetrics(examples: 8)), "before it had pushed"),
      (Header(.metrics, leaves: 0..<4, task: .train), .metrics(NodeMetrics(examples: 9)), "9 examples"),
      (Header(.assign), .none, "which workers do not send"),
      (Header(.ready), .ready(Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)), "ready twice"),
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

  @Test func hellosThatQueuedUpWhileTheCoordinatorWasGoneAreAnsweredOnce() {
    var machine = machine()
    let hello = CoordinatorMachine.Event.received(
      Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 1))
    let answers = (0..<3).flatMap { _ in machine.handle(hello, at: start) }
    #expect(answers.count { if case .send(let header, _, _) = $0 { header.kind == .welcome } else { false } } == 1)
    #expect(machine.members[Peer(id: 1)]?.session == 1 && machine.banned.isEmpty)
    // The answer to an earlier one may have been lost.
    _ = machine.handle(hello, at: start.advanced(by: 2))
    #expect(machine.members[Peer(id: 1)]?.session == 2 && machine.banned.isEmpty)
  }

  @Test func otherDataAndOtherModelsAreRefused() {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    for (ready, reason) in [
      (Ready(data: "other", layout: ParameterLayout(), numerics: .simulated), "its data is not the coordinator's"),
      (Ready(data: "d", layout: layout, numerics: .simulated), "its model has other parameters"),
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

  @Test func anOldSessionIsRefusedOnceAndChangesNothing() {
    var machine = machine()
    let session = join(&machine, Peer(id: 1))
    for (index, (run, old)) in [(7 as UInt64, session + 1), (8, session), (0, 0)].enumerated() {
      let push = Header(.push, run: run, session: old, leaves: 0..<4, task: .train)
      let actions = machine.handle(.received(push, .gradient(byteCount: 8), from: Peer(id: 1)), at: start)
      #expect(receivers(of: .lost, actions) == (index == 0 ? [Peer(id: 1)] : []))
      #expect(actions.count == (index == 0 ? 1 : 0))
    }
    #expect(machine.members[Peer(id: 1)] != nil)
  }

  @Test func sumsOfAWorkerThatIsNotReadyAreNotTaken() {
    for (kind, content) in [
      (MessageKind.push, CoordinatorMachine.Content.gradient(byteCount: 8)),
      (.metrics, .metrics(NodeMetrics(examples: 8))),
    ] {
      var machine = machine()
      let peer = Peer(id: 1)
      _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: peer), at: start)
      let header = Header(kind, run: 7, session: machine.members[peer]!.session, leaves: 0..<4, task: .train)
      let actions = machine.handle(.received(header, content, from: peer), at: start)
      #expect(refusal(actions)?.contains("before it was ready") == true)
      #expect(machine.work == nil && machine.activeCount == 0)
    }
  }

  /// Pushes and reports a node as an honest worker does.
  private func finish(
    _ machine: inout CoordinatorMachine, _ peer: Peer, _ session: UInt64, _ leaves: Range<UInt32>, step: UInt64 = 0,
    at now: Instant
  ) -> [CoordinatorMachine.Action] {
    var actions: [CoordinatorMachine.Action] = []
    for chunk in 0..<2 as Range<UInt32> {
      let push = Header(
        .push, run: 7, session: session, step: step, leaves: leaves, chunk: chunk, task: .train,
        weight: Double(leaves.count) * 2)
      actions += machine.handleAnswering(
        .received(push, .gradient(byteCount: chunk == 0 ? 8 : 4), from: peer), at: now)
    }
    let metrics = Header(.metrics, run: 7, session: session, step: step, leaves: leaves, task: .train)
    let sums = NodeMetrics(examples: Int64(leaves.count) * 2, loss: 1)
    return actions + machine.handle(.received(metrics, .metrics(sums), from: peer), at: now)
  }

  /// With both held-out parts, of one leaf each and as many examples.
  private let evaluated = StepPlan(
    trainCount: 8, validationCount: 3, testCount: 3, batchSize: 8, microBatches: 4, length: .steps(2))

  /// The task of the one worker's leaves.
  private func assigned(_ actions: [CoordinatorMachine.Action]) -> [StepTask] {
    actions.compactMap { action in
      guard case .send(let header, _, _) = action, header.kind == .assign else { return nil }
      return StepTask(header.task, step: Int(header.step))
    }
  }

  private func reports(_ actions: [CoordinatorMachine.Action]) -> [String] {
    actions.compactMap { action in
      guard case .report(.evaluation(let report)) = action else { return nil }
      return "\(report.part) \(report.step): \(report.loss)"
    }
  }

  private func evaluate(
    _ machine: inout CoordinatorMachine, _ peer: Peer, _ session: UInt64, _ task: TaskKind, step: UInt64, loss: Double
  ) -> [CoordinatorMachine.Action] {
    let metrics = Header(.metrics, run: 7, session: session, step: step, leaves: 0..<1, task: task)
    return machine.handle(.received(metrics, .metrics(NodeMetrics(examples: 3, loss: loss)), from: peer), at: start)
  }

  @Test func theTestPartFollowsTheLastEvaluationOfTheValidationPart() {
    var machine = machine(evaluated)
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    for step in 0..<2 {
      let trained = finish(&machine, peer, session, 0..<4, step: UInt64(step), at: start)
      #expect(assigned(trained) == [.evaluate(step: step + 1, part: .validation)])
      let validated = evaluate(&machine, peer, session, .evaluateValidation, step: UInt64(step + 1), loss: 6)
      #expect(reports(validated) == ["validation \(step + 1): 2.0"])
      #expect(
        assigned(validated) == [step == 0 ? StepTask.train(step: 1) : .evaluate(step: 2, part: .test)])
    }
    let tested = evaluate(&machine, peer, session, .evaluateTest, step: 2, loss: 9)
    #expect(reports(tested) == ["test 2: 3.0"] && outcome(tested) == .some(nil))
  }

  @Test func metricsOfTheOtherPartAreNotTaken() {
    var machine = machine(evaluated, start: 2)
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    #expect(machine.work?.task == .evaluate(step: 2, part: .validation))
    #expect(evaluate(&machine, peer, session, .evaluateTest, step: 2, loss: 9).isEmpty)
    #expect(machine.members[peer]?.state == .busy)
    _ = evaluate(&machine, peer, session, .evaluateValidation, step: 2, loss: 6)
    #expect(machine.work?.task == .evaluate(step: 2, part: .test))
    // A slow worker's of the part before.
    #expect(evaluate(&machine, peer, session, .evaluateValidation, step: 2, loss: 6).isEmpty)
    #expect(machine.work?.metrics.count == 0 && machine.members[peer]?.state == .busy)
  }

  @Test(
    "a run that is resumed after its last step does the evaluations that it lacks",
    arguments: [
      ([:], [StepTask.evaluate(step: 2, part: .validation)]),
      ([.validation: 1], [.evaluate(step: 2, part: .validation)]),
      ([.validation: 2], [.evaluate(step: 2, part: .test)]), ([.validation: 2, .test: 2], []),
    ] as [([HeldOutPart: Int], [StepTask])])
  func resumedAfterTheLastStep(_ done: [HeldOutPart: Int], _ tasks: [StepTask]) {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, start: 2, evaluatedSteps: done, plan: evaluated, chunks: ChunkLayout(parameterCount: 3, size: 2),
        fingerprint: "d", layout: ParameterLayout(), numerics: .simulated, awaitedWorkers: 0, metrics: .loss))
    let started = machine.handle(.started, at: start)
    #expect(machine.isOver == tasks.isEmpty && (outcome(started) == .some(nil)) == tasks.isEmpty)
    guard let task = tasks.first else { return }
    _ = join(&machine, Peer(id: 1))
    #expect(machine.work?.task == task)
  }

  @Test("a worker that dies in an evaluation leaves its part to the next", arguments: HeldOutPart.allCases)
  func aDeathInAnEvaluation(_ part: HeldOutPart) {
    var machine = machine(evaluated, start: 2, evaluated: part == .test ? [.validation: 2] : [:])
    _ = join(&machine, Peer(id: 1), name: "a")
    #expect(machine.work?.task == .evaluate(step: 2, part: part))
    _ = machine.handle(.unreachable(Peer(id: 1)), at: start)
    let session = join(&machine, Peer(id: 2), name: "b")
    #expect(machine.work?.task == .evaluate(step: 2, part: part) && machine.members[Peer(id: 2)]?.leaves == 0..<1)
    let kind = StepTask.evaluate(step: 2, part: part).kind
    #expect(reports(evaluate(&machine, Peer(id: 2), session, kind, step: 2, loss: 6)) == ["\(part) 2: 2.0"])
  }

  @Test("a loss that is not finite names its part", arguments: HeldOutPart.allCases)
  func aLossOfAnEvaluationThatIsNotFiniteEndsTheRun(_ part: HeldOutPart) {
    var machine = machine(evaluated, start: 2, evaluated: part == .test ? [.validation: 2] : [:])
    let session = join(&machine, Peer(id: 1))
    let kind = StepTask.evaluate(step: 2, part: part).kind
    let end = evaluate(&machine, Peer(id: 1), session, kind, step: 2, loss: .infinity)
    #expect(outcome(end)?.flatMap { $0 }?.hasPrefix("the loss on the \(part) part after step 2 is inf") == true)
  }

  private func receivers(of kind: MessageKind, _ actions: [CoordinatorMachine.Action]) -> Set<Peer> {
    Set(actions.compactMap { if case .send(let header, _, let peer) = $0, header.kind == kind { peer } else { nil } })
  }

  @Test func aWorkerWithoutLeavesIsSentNoParameters() {
    // Nothing that it does would bound what waits to be sent to it.
    var machine = machine(awaiting: 5)
    let sessions = (1...5).map { join(&machine, Peer(id: $0), name: "\($0)") }
    let spare = machine.members.first { $0.value.state == .idle }!.key
    var sent: Set<Peer> = []
    for (index, session) in sessions.enumerated() where Peer(id: UInt64(index) + 1) != spare {
      let peer = Peer(id: UInt64(index) + 1)
      let leaves = machine.members[peer]!.leaves
      sent.formUnion(
        receivers(
          of: .parameters,
          finish(&machine, peer, session, UInt32(leaves.lowerBound)..<UInt32(leaves.upperBound), at: start)))
    }
    #expect(machine.step == 1)
    #expect(sent.count == 4 && !sent.contains(spare))
  }

  @Test func leavesThatASlowWorkerHasFinishedAfterAllAreNotComputedAgain() {
    var machine = machine(awaiting: 2)
    let (a, b) = (Peer(id: 1), Peer(id: 2))
    let session = join(&machine, a, name: "a")
    _ = join(&machine, b, name: "b")
    func seconds(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }
    // Both live, and both are slower than the limit.
    for time in stride(from: 1.0, through: 11, by: 1) {
      for peer in [a, b] {
        let pong = Header(.pong, run: 7, session: machine.members[peer]!.session)
        _ = machine.handle(.received(pong, .none, from: peer), at: seconds(time))
      }
      _ = machine.handle(.tick, at: seconds(time))
    }
    #expect(machine.members[a]!.isLagging && machine.members[b]!.isLagging)
    _ = finish(&machine, a, session, 0..<2, at: seconds(12))
    #expect(machine.members[a]!.leaves == 2..<4, "the other's leaves, not its own again")
    _ = finish(&machine, a, session, 2..<4, at: seconds(13))
    #expect(machine.step == 1)
  }

  @Test func aSilentWorkerIsGoneAfterTheLimitAndNotBefore() {
    var machine = machine()
    _ = join(&machine, Peer(id: 1))
    let early = machine.handle(.tick, at: Instant(nanoseconds: 4_900_000_000))
    #expect(refusal(early) == nil && machine.members.count == 1)
    let late = machine.handle(.tick, at: Instant(nanoseconds: 5_100_000_000))
    #expect(receivers(of: .lost, late) == [Peer(id: 1)] && machine.members.isEmpty)
  }

  @Test func aPeerOfAnotherVersionIsToldSo() {
    var machine = machine()
    let actions = machine.handle(.malformed(.version(9), from: Peer(id: 3)), at: start)
    #expect(refusal(actions)?.contains("protocol version 9") == true)
  }

  @Test func aWorkerThatEndedBeforeItsHelloArrivedIsNoReasonToGiveUpOnTheOthers() {
    var machine = machine(awaiting: 2)
    _ = machine.handle(.processEnded(name: "a", "signal 9", isReplaced: false), at: start)
    let late = machine.handle(
      .received(Header(.hello), .hello(Hello(name: "a", threads: 1)), from: Peer(id: 1)), at: start)
    #expect(late.isEmpty && machine.members.isEmpty && machine.awaitedCount == 1 && !machine.isOver)
    _ = join(&machine, Peer(id: 2), name: "b")
    #expect(machine.work != nil)
  }

  @Test func aRunOfLocalWorkersFailsWhenTheLastEnds() {
    var machine = machine(awaiting: 2)
    _ = join(&machine, Peer(id: 1), name: "a")
    #expect(machine.work == nil, "it waits for the second")
    var actions = machine.handle(.processEnded(name: "b", "exit code 1", isReplaced: false), at: start)
    #expect(outcome(actions) == nil && machine.work != nil, "it goes on with the first")
    actions = machine.handle(.processEnded(name: "a", "signal 9", isReplaced: false), at: start)
    #expect(outcome(actions)?.flatMap { $0 }?.contains("none is left: signal 9") == true)
  }

  @Test("the only local worker may come back", arguments: [false, true])
  func theOnlyLocalWorkerMayComeBack(_ isSilent: Bool) {
    var machine = machine(awaiting: 1)
    let peer = Peer(id: 1)
    let session = join(&machine, peer, name: "a")
    // Either side may have been stopped for a while.
    let later = Instant(nanoseconds: 6_000_000_000)
    if isSilent {
      for seconds in [3, 6] as [Int64] {
        _ = machine.handle(.tick, at: Instant(nanoseconds: seconds * 1_000_000_000))
      }
      #expect(machine.members.isEmpty && !machine.isOver)
    }
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "a", threads: 1)), from: peer), at: later)
    #expect(machine.members[peer].map { $0.session > session } == true && !machine.isOver)
    let actions = machine.handle(.processEnded(name: "a", "signal 9", isReplaced: false), at: later)
    #expect(outcome(actions)?.flatMap { $0 }?.contains("none is left: signal 9") == true)
  }

  @Test func aLocalWorkerThatConnectsTwiceIsCountedOnce() {
    var machine = machine(awaiting: 2)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "a", threads: 1)), from: Peer(id: 1)), at: start)
    _ = join(&machine, Peer(id: 2), name: "a")
    let actions = machine.handle(.processEnded(name: "a", "signal 9", isReplaced: false), at: start)
    #expect(outcome(actions) == nil && machine.awaitedCount == 1, "b may still join")
  }

  @Test func aLocalWorkerThatFellSilentAndEndedIsNotWaitedFor() {
    var machine = machine(awaiting: 1)
    _ = join(&machine, Peer(id: 1), name: "a")
    for seconds in [3, 6] as [Int64] { _ = machine.handle(.tick, at: Instant(nanoseconds: seconds * 1_000_000_000)) }
    let actions = machine.handle(
      .processEnded(name: "a", "signal 9", isReplaced: false), at: Instant(nanoseconds: 7_000_000_000))
    #expect(outcome(actions)?.flatMap { $0 }?.contains("none is left: signal 9") == true)
  }

  @Test func theTimeInWhichTheCoordinatorWasStoppedIsNobodysSilence() {
    var machine = machine()
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    func seconds(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }
    _ = machine.handle(.tick, at: seconds(1))
    _ = machine.handle(.tick, at: seconds(1000))
    #expect(machine.members.count == 1 && !machine.isOver)
    // What was said meanwhile may be read before the clock's tick.
    _ = machine.handle(.received(Header(.pong, run: 7, session: session), .none, from: peer), at: seconds(2000))
    _ = machine.handle(.tick, at: seconds(2000))
    #expect(machine.members.count == 1 && !machine.isOver)
    _ = machine.handle(.tick, at: seconds(2004))
    let late = machine.handle(.tick, at: seconds(2006))
    #expect(receivers(of: .lost, late) == [peer])
  }

  @Test func aLocalWorkersBrokenConnectionGivesItsLeavesBackAtOnceAndItsEndIsToldLater() {
    var machine = machine(awaiting: 2)
    for id in 1...2 as ClosedRange<UInt64> { _ = join(&machine, Peer(id: id), name: "\(id)") }
    #expect(machine.members.values.allSatisfy { $0.state == .busy })
    let lost = machine.members[Peer(id: 1)]!.leaves
    _ = machine.handle(.unreachable(Peer(id: 1)), at: start)
    #expect(machine.members.keys.map(\.id) == [2] && machine.work?.unassigned == [lost] && !machine.isOver)
    let reports = machine.handle(.processEnded(name: "1", "killed by signal 9", isReplaced: false), at: start)
      .compactMap { if case .report(.warning(let text)) = $0 { text } else { nil } }
    #expect(reports == ["worker 1: killed by signal 9"])
    // The last one's connection may break before its end is known.
    _ = machine.handle(.unreachable(Peer(id: 2)), at: start)
    #expect(machine.isOver == false)
    let end = machine.handle(.processEnded(name: "2", "killed by signal 11", isReplaced: false), at: start)
    #expect(outcome(end) == .some("worker 2 has left, and none is left: killed by signal 11"))
  }

  @Test func afterTheRunThoseAreWaitedForWhoHaveNotAnsweredTheGoodbye() {
    var machine = machine()
    func seconds(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }
    let sessions = (1...4).map { join(&machine, Peer(id: $0), name: "\($0)") }
    let end = machine.handle(.failed("over"), at: seconds(0))
    #expect(receivers(of: .goodbye, end).count == 4 && !machine.isShutDown)
    _ = machine.handle(
      .received(Header(.goodbye, run: 7, session: sessions[0]), .reason("over"), from: Peer(id: 1)), at: seconds(0))
    _ = machine.handle(.unreachable(Peer(id: 2)), at: seconds(0))
    _ = machine.handle(.processEnded(name: "3", "signal 9", isReplaced: false), at: seconds(0))
    #expect(machine.members.keys.map(\.id) == [4])
    // What it still pushes shows that it lives.
    for second in [0.1, 3, 6, 9] {
      #expect(receivers(of: .ping, machine.handle(.tick, at: seconds(second))) == [Peer(id: 4)])
      let push = Header(.push, run: 7, session: sessions[3])
      _ = machine.handle(.received(push, .none, from: Peer(id: 4)), at: seconds(second))
    }
    _ = machine.handle(.tick, at: seconds(13.9))
    #expect(machine.isShutDown == false)
    _ = machine.handle(.tick, at: seconds(14.1))
    #expect(machine.isShutDown == true, "silent for five seconds")
  }

  @Test func aWorkerThatNeverAnswersTheGoodbyeIsNotWaitedForForEver() {
    var machine = machine()
    let session = join(&machine, Peer(id: 1))
    _ = machine.handle(.failed("over"), at: start)
    var seconds = 0
    while !machine.isShutDown {
      seconds += 1
      let now = Instant(nanoseconds: Int64(seconds) * 1_000_000_000)
      _ = machine.handle(.received(Header(.pong, run: 7, session: session), .none, from: Peer(id: 1)), at: now)
      _ = machine.handle(.tick, at: now)
      guard seconds < 100 else { break }
    }
    #expect((61...62).contains(seconds), "a minute from the first tick on")
  }

  @Test func aStepWithoutWeightHasNoUpdate() {
    var machine = machine()
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    var actions: [CoordinatorMachine.Action] = []
    for chunk in 0..<2 as Range<UInt32> {
      let push = Header(.push, run: 7, session: session, leaves: 0..<4, chunk: chunk, task: .train, weight: 0)
      actions += machine.handleAnswering(
        .received(push, .gradient(byteCount: chunk == 0 ? 8 : 4), from: peer), at: start)
    }
    let metrics = Header(.metrics, run: 7, session: session, leaves: 0..<4, task: .train)
    actions += machine.handle(
      .received(metrics, .metrics(NodeMetrics(examples: 8, weight: 0, sums: [0])), from: peer), at: start)
    #expect(!actions.contains { if case .update = $0 { true } else { false } })
    #expect(actions.contains { if case .skip = $0 { true } else { false } })
    let reports = actions.compactMap { if case .report(.step(let report)) = $0 { report } else { nil } }
    #expect(reports.map(\.isSkipped) == [true] && reports.map(\.examples) == [8])
    #expect(machine.step == 1 && machine.skippedSteps == 1)
    // The next step has a weight again, and is the first update.
    let next = finish(&machine, peer, session, 0..<4, step: 1, at: start)
    let updates = next.compactMap { if case .update(_, let number, let weight) = $0 { (number, weight) } else { nil } }
    #expect(updates.map(\.0) == [1, 1] && updates.map(\.1) == [8, 8])
  }

  @Test("a worker that gives a node two weights is expelled", arguments: [0.0, 7])
  func aNodeHasOneWeight(_ weight: Double) {
    for isPush in [true, false] {
      var machine = machine()
      let peer = Peer(id: 1)
      let session = join(&machine, peer)
      func push(_ chunk: UInt32, _ weight: Double) -> [CoordinatorMachine.Action] {
        let push = Header(.push, run: 7, session: session, leaves: 0..<4, chunk: chunk, task: .train, weight: weight)
        return machine.handleAnswering(.received(push, .gradient(byteCount: chunk == 0 ? 8 : 4), from: peer), at: start)
      }
      var actions = push(0, 8) + push(1, isPush ? weight : 8)
      if !isPush {
        let header = Header(.metrics, run: 7, session: session, leaves: 0..<4, task: .train)
        let metrics = NodeMetrics(examples: 8, weight: weight, sums: [1])
        actions += machine.handle(.received(header, .metrics(metrics), from: peer), at: start)
      }
      #expect(refusal(actions)?.contains("weigh 8.0, and then \(weight)") == true)
      #expect(machine.members[peer] == nil && outcome(actions) == nil, "the run goes on")
    }
  }

  @Test func aLossThatIsNotFiniteEndsTheRun() {
    var machine = machine()
    let peer = Peer(id: 1)
    let session = join(&machine, peer)
    for chunk in 0..<2 as Range<UInt32> {
      let push = Header(.push, run: 7, session: session, leaves: 0..<4, chunk: chunk, task: .train, weight: 8)
      _ = machine.handleAnswering(.received(push, .gradient(byteCount: chunk == 0 ? 8 : 4), from: peer), at: start)
    }
    let metrics = Header(.metrics, run: 7, session: session, leaves: 0..<4, task: .train)
    let actions = machine.handle(
      .received(metrics, .metrics(NodeMetrics(examples: 8, loss: .nan)), from: peer), at: start)
    #expect(outcome(actions)?.flatMap { $0 }?.contains("the loss of step 1 is nan") == true)
  }
}
