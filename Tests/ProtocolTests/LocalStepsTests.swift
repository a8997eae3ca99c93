import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// Rounds of local steps: which steps and examples they have, and what both sides say of them.
@Suite struct LocalStepsTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let start = Instant(nanoseconds: 0)

  // MARK: Rounds

  private func plan(
    _ trainCount: Int = 53, batchSize: Int = 10, microBatches: Int = 8, steps: Int = 15, every: Int? = nil,
    local: LocalSteps = LocalSteps(steps: 4, replicas: 4)
  ) -> StepPlan {
    StepPlan(
      trainCount: trainCount, testCount: 5, batchSize: batchSize, microBatches: microBatches, length: .steps(steps),
      evaluateEvery: every, local: local)
  }

  /// Six steps an epoch: rounds of four and two, and the run's end cuts the last one short.
  @Test func aRoundEndsWithItsEpochAndWithTheRun() {
    let plan = plan()
    var (starts, step) = ([Int](), 0)
    while step < plan.totalSteps {
      starts.append(step)
      #expect(plan.isBetweenRounds(step) && plan.round(atStep: step) == starts.count - 1)
      for inside in step..<plan.stepAfter(step) {
        #expect(plan.roundStart(of: inside) == step && plan.stepAfter(inside) == plan.stepAfter(step))
        #expect(plan.isBetweenRounds(inside) == (inside == step))
      }
      #expect(plan.stepCount(of: .train(step: step)) == plan.stepAfter(step) - step)
      step = plan.stepAfter(step)
    }
    #expect(starts == [0, 4, 6, 10, 12] && step == 15 && plan.isBetweenRounds(15))
    #expect(plan.round(atStep: 15) == 5, "the vectors of the last round and after it are two")
    #expect(plan.stepCount(of: .evaluate(step: 6, part: .test)) == 1)
  }

  @Test func withoutLocalStepsEachStepIsARound() {
    let plan = StepPlan(trainCount: 53, testCount: 5, batchSize: 10, microBatches: 8, length: .steps(15))
    for step in 0...20 {
      #expect(plan.round(atStep: step) == step && plan.stepAfter(step) == step + 1 && plan.roundStart(of: step) == step)
      #expect(plan.isBetweenRounds(step))
    }
    #expect(plan.microBatches(ofLeaves: 2..<5, inStep: 3) == 2..<5)
  }

  @Test(
    "an evaluation within a round waits for its end",
    arguments: [(nil, [6, 12, 15]), (5, [6, 10, 15]), (1, [4, 6, 10, 12, 15])])
  func evaluations(_ every: Int?, _ steps: [Int]) {
    let plan = plan(every: every)
    #expect((0..<15).filter { plan.isEvaluationDue(afterStep: $0) }.map { $0 + 1 } == steps)
  }

  /// Step 5 has three examples, and so three micro-batches: two of the first replica, one of the second.
  @Test func replicasShareAStepsMicroBatches() {
    let plan = plan()
    let all = (0..<4).map { plan.microBatches(ofLeaves: $0..<$0 + 1, inStep: 0) }
    #expect(all == [0..<2, 2..<4, 4..<6, 6..<8])
    let few = (0..<4).map { plan.microBatches(ofLeaves: $0..<$0 + 1, inStep: 5) }
    #expect(few.map(\.count) == [2, 1, 0, 0])
    let round = StepTask.train(step: 4)
    #expect(plan.tree(round).leafCount == 4 && plan.microBatchTree(ofStep: 5).leafCount == 3)
    #expect((0..<4).map { plan.exampleCount(of: $0..<$0 + 1, in: round, localStep: 1) } == [2, 1, 0, 0])
    // Step 4 has ten examples in eight micro-batches, the first two of which have two.
    #expect((0..<4).map { plan.exampleCount(of: $0..<$0 + 1, in: round, localStep: 0) } == [4, 2, 2, 2])
    #expect((0..<4).map { plan.averageWeight(of: $0..<$0 + 1, in: round) } == [6, 3, 2, 2])
    #expect(plan.averageWeight(of: 0..<4, in: round) == 13)
  }

  // MARK: Chunks

  @Test func momentsFollowTheStatisticsAndAreCutLikeTheParameters() {
    let chunks = ChunkLayout(parameterCount: 5, statisticCount: 3, moments: 2, size: 2, precision: .bf16)
    #expect(chunks.count == 11 && chunks.valueCount == 18 && chunks.modelCount == 8)
    #expect(chunks.indices.map { chunks[$0] }.flatMap(Array.init) == Array(0..<18))
    #expect(
      chunks.indices.map { chunks.kind($0) } == Array(repeating: .parameters, count: 3)
        + [.statistics, .statistics] + Array(repeating: .moments, count: 6))
    #expect((5..<11).map { chunks.modelRange($0) } == [0..<2, 2..<4, 4..<5, 0..<2, 2..<4, 4..<5])
    #expect((0..<11).map { chunks.slot($0) } == [nil, nil, nil, nil, nil, 0, 0, 0, 1, 1, 1])
    #expect(
      chunks.element(5) == .bf16 && chunks.element(5, for: .evaluateTest) == .bf16 && chunks.element(3) == .float32)
    #expect(chunks.isRead(.statistics, by: .train) && !chunks.isRead(.moments, by: .evaluateTest))
    #expect(chunks.mayGet(.bf16, of: .moments) && !chunks.mayGet(.float32, of: .moments))
    let none = ChunkLayout(parameterCount: 5, statisticCount: 3, size: 2)
    #expect(none.count == 5 && !none.isRead(.statistics, by: .train) && !none.mayGet(.float32, of: .moments))
  }

  // MARK: The coordinator

  private static let layout = {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    return layout
  }()
  private let chunks = ChunkLayout(Self.layout, moments: 1, size: 2)
  /// Rounds of two steps, of two replicas with four examples a step each.
  private let rounds = StepPlan(
    trainCount: 32, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(6),
    local: LocalSteps(steps: 2, replicas: 2))

  private func coordinator(_ policy: NonFinitePolicy = .stop) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: rounds, chunks: chunks, fingerprint: "d", layout: Self.layout, numerics: .simulated,
        awaitedWorkers: 0, metrics: .loss, onNonFinite: policy))
    _ = machine.handle(.started, at: start)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 1)), at: start)
    let ready = Ready(data: "d", layout: Self.layout, numerics: .simulated)
    _ = send(Header(.ready), .ready(ready), to: &machine)
    return machine
  }

  private func send(
    _ header: Header, _ content: CoordinatorMachine.Content, to machine: inout CoordinatorMachine
  ) -> [CoordinatorMachine.Action] {
    var header = header
    (header.run, header.session) = (7, machine.members[Peer(id: 1)]?.session ?? 0)
    return machine.handleAnswering(.received(header, content, from: Peer(id: 1)), at: start)
  }

  private func push(_ chunk: Int, step: UInt64 = 0, weight: Double = 16) -> (Header, CoordinatorMachine.Content) {
    (
      Header(
        .push, step: step, leaves: 0..<2, chunk: UInt32(chunk), task: .train, vector: chunks.kind(chunk),
        weight: weight),
      .gradient(byteCount: chunks.byteCount(chunk))
    )
  }

  private func metrics(
    _ localStep: UInt32, step: UInt64 = 0, examples: Int64 = 8, flaw: NodeMetrics.Flaw? = nil
  ) -> (Header, CoordinatorMachine.Content) {
    (
      Header(.metrics, step: step, leaves: 0..<2, chunk: localStep, task: .train),
      .metrics(NodeMetrics(examples: examples, loss: Double(localStep + 1), flaw: flaw))
    )
  }

  private func refusal(_ actions: [CoordinatorMachine.Action]) -> String? {
    for case .send(let header, .reason(let reason), _) in actions where header.kind == .refuse { return reason }
    return nil
  }

  @Test func aRoundReportsEachStepAndTheNextOneBeginsAfterIt() {
    var machine = coordinator()
    #expect(machine.members[Peer(id: 1)]?.unfinishedNodes == [Node(0..<2)])
    var actions: [CoordinatorMachine.Action] = []
    for chunk in chunks.indices { actions += send(push(chunk).0, push(chunk).1, to: &machine) }
    let updates = actions.compactMap { if case .update(_, 1, 16) = $0 { true } else { nil } }
    #expect(updates.count == chunks.count, "the weight is that of the examples of both steps")
    actions = send(metrics(0).0, metrics(0).1, to: &machine)
    #expect(actions.isEmpty && machine.step == 0)
    actions = send(metrics(1).0, metrics(1).1, to: &machine)
    let reports = actions.compactMap { if case .report(.step(let report)) = $0 { report } else { nil } }
    #expect(reports.map(\.step) == [1, 2] && reports.map(\.loss) == [1.0 / 8, 2.0 / 8])
    #expect(reports.allSatisfy { $0.examples == 8 && !$0.isSkipped })
    #expect(machine.step == 2 && machine.work?.task == .train(step: 2))
    let assigned = actions.compactMap { action -> Header? in
      if case .send(let header, .roundStart, _) = action { header } else { nil }
    }
    #expect(assigned.map(\.step) == [2] && assigned.map(\.leafRange) == [0..<2])
  }

  @Test func theNextRoundsMomentsAreSentLikeItsParameters() {
    var machine = coordinator()
    var sent: [Header] = []
    for chunk in chunks.indices {
      for case .send(let header, .parameters, _) in send(push(chunk).0, push(chunk).1, to: &machine) {
        sent.append(header)
      }
    }
    #expect(sent.map(\.chunk) == [0, 1, 2, 3] && sent.allSatisfy { $0.step == 2 })
    #expect(sent.map(\.vector) == [.parameters, .parameters, .moments, .moments])
  }

  @Test("a worker that says another thing of a round is expelled")
  func faults() {
    var machine = coordinator()
    #expect(
      refusal(send(push(0, weight: 15).0, push(0, weight: 15).1, to: &machine))?.contains("not their examples") == true)
    machine = coordinator()
    for chunk in chunks.indices { _ = send(push(chunk).0, push(chunk).1, to: &machine) }
    #expect(refusal(send(metrics(1).0, metrics(1).1, to: &machine))?.contains("out of order") == true)
    machine = coordinator()
    for chunk in chunks.indices { _ = send(push(chunk).0, push(chunk).1, to: &machine) }
    _ = send(metrics(0).0, metrics(0).1, to: &machine)
    #expect(refusal(send(metrics(0).0, metrics(0).1, to: &machine))?.contains("out of order") == true)
    machine = coordinator()
    for chunk in chunks.indices.dropLast() { _ = send(push(chunk).0, push(chunk).1, to: &machine) }
    _ = send(metrics(0).0, metrics(0).1, to: &machine)
    #expect(refusal(send(metrics(1).0, metrics(1).1, to: &machine))?.contains("before it had pushed") == true)
    machine = coordinator()
    #expect(
      refusal(send(metrics(0, examples: 7).0, metrics(0, examples: 7).1, to: &machine))?.contains("7 examples") == true)
  }

  @Test("a flaw in an earlier step of a round ends the run, and names the step")
  func flaw() {
    var machine = coordinator()
    let flaw = NodeMetrics.Flaw(leaf: 1, tensor: 0)
    _ = send(metrics(0, flaw: flaw).0, metrics(0, flaw: flaw).1, to: &machine)
    let actions = send(metrics(1).0, metrics(1).1, to: &machine)
    var failure: String?
    for case .end(let error) in actions { failure = error?.description }
    #expect(
      failure?.hasPrefix(
        "step 1: in replica 2 of 2, which worker 1 (w) computed, the gradient or update of w is not finite")
        == true, "\(failure ?? "none")")
  }

  @Test("a round whose root or one of whose losses is not finite is skipped as a whole", arguments: [true, false])
  func skipping(_ isRoot: Bool) {
    var machine = coordinator(.skip)
    for chunk in chunks.indices {
      let content = push(chunk).1
      var header = push(chunk).0
      (header.run, header.session) = (7, machine.members[Peer(id: 1)]!.session)
      let actions = machine.handle(.received(header, content, from: Peer(id: 1)), at: start)
      #expect(actions.contains { if case .check(chunk) = $0 { true } else { false } })
      _ = machine.handle(.checked(chunk: chunk, nonFinite: isRoot && chunk == 3 ? 0 : nil), at: start)
    }
    let first = CoordinatorMachine.Content.metrics(NodeMetrics(examples: 8, loss: isRoot ? 1 : .nan))
    _ = send(metrics(0).0, first, to: &machine)
    let actions = send(metrics(1).0, metrics(1).1, to: &machine)
    #expect(actions.contains { if case .skip = $0 { true } else { false } })
    #expect(!actions.contains { if case .update = $0 { true } else { false } })
    let reports = actions.compactMap { if case .report(.step(let report)) = $0 { report } else { nil } }
    #expect(reports.map(\.isSkipped) == [true, true] && machine.skippedSteps == 2 && machine.step == 2)
    let warnings = actions.compactMap { if case .report(.warning(let text)) = $0 { text } else { nil } }
    let what = isRoot ? "step 2: the gradient or update of w, summed, is" : "step 1: the loss, summed, is"
    #expect(warnings.count == 1 && warnings[0].hasPrefix("\(what) not finite: the round has no update"), "\(warnings)")
  }

  // MARK: The worker

  private func worker() -> WorkerMachine {
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: start)
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: start)
    _ = worker.handle(
      .loaded(Ready(data: "d", layout: Self.layout, numerics: .simulated), rounds, chunks), at: start)
    return worker
  }

  private func give(_ worker: inout WorkerMachine, _ chunk: Int, step: UInt64) -> [WorkerMachine.Action] {
    let header = Header(
      .parameters, run: 7, session: 1, step: step, chunk: UInt32(chunk), vector: chunks.kind(chunk))
    return worker.handle(.received(header, .parameters(byteCount: chunks.byteCount(chunk))), at: start)
  }

  private func failure(_ actions: [WorkerMachine.Action]) -> String? {
    for case .end(let reason) in actions { return reason }
    return nil
  }

  @Test func aWorkerTrainsOneReplicaAtATimeAndSendsEachStepsMetricsInOrder() {
    var worker = worker()
    for chunk in chunks.indices { #expect(failure(give(&worker, chunk, step: 2)) == nil) }
    let begin = RoundStart(updates: 2, rateFactor: 0.5)
    let assign = Header(.assign, run: 7, session: 1, step: 2, leaves: 0..<2, task: .train)
    let actions = worker.handle(.received(assign, .roundStart(begin)), at: start)
    let computed = actions.compactMap { action -> Node? in
      if case .compute(let node, .train(step: 2), begin) = action { node } else { nil }
    }
    #expect(computed == [Node(0..<1), Node(1..<2)])
    // The next round's chunks may come meanwhile, those of the step between may not.
    #expect(failure(give(&worker, 2, step: 4)) == nil)
    let steps = [NodeMetrics(examples: 4, loss: 1), NodeMetrics(examples: 4, loss: 2)]
    for node in computed { _ = worker.handle(.computed(node, steps), at: start) }
    let sent = worker.handle(.combined(Node(0..<2), chunks: [0, 1, 2, 3], nonFinite: nil), at: start)
    let headers = sent.compactMap { action -> Header? in if case .send(let header, _) = action { header } else { nil } }
    #expect(headers.map(\.kind) == [.push, .push, .push, .push, .metrics, .metrics])
    #expect(headers.map(\.chunk) == [0, 1, 2, 3, 0, 1] && headers.allSatisfy { $0.step == 2 })
    #expect(headers.prefix(4).allSatisfy { $0.weight == 16 })
    let losses = sent.compactMap { action -> Double? in
      if case .send(_, .metrics(let metrics)) = action { metrics.loss } else { nil }
    }
    #expect(losses == [2, 4])
    #expect(failure(give(&worker, 0, step: 3))?.contains("at the wrong time") == true)
  }

  @Test("an assignment that is no round is the coordinator's fault", arguments: [false, true])
  func wrongAssignments(_ isWithinARound: Bool) {
    var worker = worker()
    for chunk in chunks.indices { _ = give(&worker, chunk, step: 2) }
    let assign = Header(.assign, run: 7, session: 1, step: isWithinARound ? 3 : 2, leaves: 0..<2, task: .train)
    let content = isWithinARound ? WorkerMachine.Content.roundStart(RoundStart(updates: 3)) : .none
    #expect(failure(worker.handle(.received(assign, content), at: start))?.contains("cannot be computed now") == true)
  }

  @Test func whatARoundBeginsWithHasARange() {
    for (updates, factor) in [(-1, 1.0), (1 << 48 + 1, 1), (0, -0.5), (0, 1.5), (0, .nan)] {
      #expect(throws: WireError.self) { try RoundStart(updates: updates, rateFactor: factor).check() }
    }
    #expect(throws: Never.self) { try RoundStart(updates: 1 << 48, rateFactor: 0).check() }
  }
}
