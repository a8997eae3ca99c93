import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// What is sent in a job of bf16: parameters for training and gradients in 2 bytes a value, all else in 4.
@Suite struct PrecisionTests {
  private typealias Peer = CoordinatorMachine.Peer
  /// Two steps an epoch; an evaluation follows each epoch.
  private let plan = StepPlan(trainCount: 16, testCount: 8, batchSize: 8, microBatches: 4, length: .epochs(2))
  private let layout = {
    var layout = ParameterLayout()
    layout.append("w", shape: [3])
    layout.append("s", shape: [1], isStatistic: true)
    return layout
  }()
  private var chunks: ChunkLayout { ChunkLayout(layout, size: 2, precision: .bf16) }
  private var ready: Ready { Ready(data: "d", layout: layout, numerics: .simulated) }
  private let start = Instant(nanoseconds: 0)

  /// A coordinator with one worker, which is not ready yet.
  private func coordinator() -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: chunks, fingerprint: "d", layout: layout, numerics: .simulated, awaitedWorkers: 0,
        metrics: .loss))
    _ = machine.handle(.started, at: start)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 1)), at: start)
    return machine
  }

  /// Gives the machine a message of the worker; what it answers.
  private func send(
    _ header: Header, _ content: CoordinatorMachine.Content, to machine: inout CoordinatorMachine
  ) -> [Header] {
    var header = header
    (header.run, header.session) = (7, machine.members[Peer(id: 1)]?.session ?? 0)
    return headers(machine.handleAnswering(.received(header, content, from: Peer(id: 1)), at: start))
  }

  private func headers(_ actions: [CoordinatorMachine.Action]) -> [Header] {
    actions.compactMap { if case .send(let header, _, _) = $0 { header } else { nil } }
  }

  private func push(_ chunk: Int, step: Int = 0, _ element: ElementKind? = nil) -> Header {
    Header(
      .push, step: UInt64(step), leaves: 0..<4, chunk: UInt32(chunk), task: .train, vector: chunks.kind(chunk),
      element: element ?? chunks.element(chunk), weight: 8)
  }

  /// What a message says of a chunk.
  private struct Sent: Equatable, CustomStringConvertible {
    var chunk: UInt32
    var step: UInt64
    var element: ElementKind
    var bytes: UInt64

    init(_ chunk: UInt32, _ step: UInt64, _ element: ElementKind, _ bytes: UInt64) {
      (self.chunk, self.step, self.element, self.bytes) = (chunk, step, element, bytes)
    }

    init(_ header: Header) { self.init(header.chunk, header.step, header.element, header.payloadLength) }

    var description: String { "chunk \(chunk) of step \(step) in \(element), \(bytes) bytes" }
  }

  /// Does a step as an honest worker; what is sent meanwhile.
  private func train(_ step: Int, _ machine: inout CoordinatorMachine) -> [Header] {
    var sent: [Header] = []
    for chunk in 0..<chunks.count {
      let push = push(chunk, step: step)
      sent += send(push, .gradient(byteCount: chunks.byteCount(chunk, push.element)), to: &machine)
    }
    let done = Header(.metrics, step: UInt64(step), leaves: 0..<4, task: .train)
    return sent + send(done, .metrics(NodeMetrics(examples: 8, loss: 1)), to: &machine)
  }

  @Test func parametersGoOutRoundedForTrainingAndWholeForAnEvaluation() {
    var machine = coordinator()
    let first = send(Header(.ready), .ready(ready), to: &machine)
    #expect(first.filter { $0.kind == .parameters }.map(Sent.init) == [Sent(0, 0, .bf16, 4), Sent(1, 0, .bf16, 2)])
    let second = train(0, &machine)
    #expect(second.filter { $0.kind == .parameters }.map(Sent.init) == [Sent(0, 1, .bf16, 4), Sent(1, 1, .bf16, 2)])
    let evaluation = train(1, &machine)
    #expect(
      evaluation.filter { $0.kind == .parameters }.map(Sent.init)
        == [Sent(0, 2, .float32, 8), Sent(1, 2, .float32, 4), Sent(2, 2, .float32, 4)])
    #expect(evaluation.last?.kind == .assign && evaluation.last?.task == .evaluateTest)
    let evaluated = Header(.metrics, step: 2, leaves: 0..<1, task: .evaluateTest)
    let third = send(evaluated, .metrics(NodeMetrics(examples: 8, loss: 1)), to: &machine)
    #expect(third.filter { $0.kind == .parameters }.map(Sent.init) == [Sent(0, 2, .bf16, 4), Sent(1, 2, .bf16, 2)])
    #expect(third.last?.kind == .assign && third.last?.task == .train)
  }

  @Test(
    "a gradient in the other element, or of its length, is not taken",
    arguments: [
      (0, .float32, 8, "in float32"), (0, .bf16, 8, "8 bytes as chunk 0"), (1, .bf16, 4, "4 bytes as chunk 1"),
      (2, .bf16, 2, "in bf16"), (2, .float32, 2, "2 bytes as chunk 2"),
    ] as [(Int, ElementKind, Int, String)])
  func otherElements(_ chunk: Int, _ element: ElementKind, _ bytes: Int, _ reason: String) {
    var machine = coordinator()
    _ = send(Header(.ready), .ready(ready), to: &machine)
    var header = push(chunk, element)
    (header.run, header.session) = (7, machine.members[Peer(id: 1)]!.session)
    let actions = machine.handle(.received(header, .gradient(byteCount: bytes), from: Peer(id: 1)), at: start)
    var refusal: String?
    for case .send(let header, .reason(let reason), _) in actions where header.kind == .refuse { refusal = reason }
    #expect(refusal?.contains(reason) == true, "\(refusal ?? "none")")
  }

  /// A worker that has loaded the job.
  private func worker() -> WorkerMachine {
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: start)
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: start)
    _ = worker.handle(.loaded(ready, plan, chunks), at: start)
    return worker
  }

  private func give(
    _ worker: inout WorkerMachine, _ chunk: Int, step: UInt64, _ element: ElementKind
  ) -> [WorkerMachine.Action] {
    let header = Header(
      .parameters, run: 7, session: 1, step: step, chunk: UInt32(chunk), vector: chunks.kind(chunk), element: element)
    let content = WorkerMachine.Content.parameters(byteCount: chunks.byteCount(chunk, element))
    return worker.handle(.received(header, content), at: start)
  }

  private func assign(_ worker: inout WorkerMachine, _ task: StepTask) -> [WorkerMachine.Action] {
    let header = Header(
      .assign, run: 7, session: 1, step: UInt64(task.step), leaves: task.isTraining ? 0..<4 : 0..<1, task: task.kind)
    return worker.handle(.received(header, .none), at: start)
  }

  private func failure(_ actions: [WorkerMachine.Action]) -> String? {
    for case .end(let reason) in actions { return reason }
    return nil
  }

  @Test("a worker keeps a step's parameters of both kinds, and computes with neither in place of the other")
  func bothVersions() {
    let (training, evaluation) = (StepTask.train(step: 2), StepTask.evaluate(step: 2, part: .test))
    for task in [training, evaluation] {
      var worker = worker()
      // All chunks, but those of parameters as the other task reads them.
      for chunk in 0..<chunks.count {
        #expect(failure(give(&worker, chunk, step: 2, task.isTraining ? .float32 : chunks.element(chunk))) == nil)
      }
      #expect(!assign(&worker, task).contains { if case .compute = $0 { true } else { false } })
    }
    var worker = worker()
    for chunk in 0..<chunks.count { _ = give(&worker, chunk, step: 2, .float32) }
    for chunk in 0..<2 {
      guard case .store(chunk, step: 2, .bf16)? = give(&worker, chunk, step: 2, .bf16).first else {
        Issue.record("chunk \(chunk) is not stored")
        return
      }
    }
    // Neither one's leaves need anything else, in any order.
    for task in [evaluation, training, evaluation] {
      let actions = assign(&worker, task)
      #expect(failure(actions) == nil)
      for case .compute(let node, _, _) in actions {
        let answers = worker.handle(.computed(node, [NodeMetrics(examples: 8)]), at: start)
        let pushes = answers.compactMap { if case .send(let header, .gradient) = $0 { header } else { nil } }
        #expect(pushes.map(\.element) == (task.isTraining ? [.bf16, .bf16, .float32] : []))
        #expect(pushes.map(\.payloadLength) == (task.isTraining ? [4, 2, 4] : []))
        let metrics = answers.compactMap { if case .send(let header, .metrics) = $0 { header } else { nil } }
        #expect(metrics.map(\.element) == [.float32])
      }
    }
  }

  @Test func statisticsAndAFloat32JobHaveNoBF16() {
    var worker = worker()
    #expect(failure(give(&worker, 2, step: 0, .bf16))?.contains("a chunk of statistics in bf16") == true)
    #expect(ChunkLayout(layout, size: 2).mayGet(.bf16, of: .parameters) == false)
    #expect(chunks.mayGet(.bf16, of: .parameters) && chunks.mayGet(.float32, of: .parameters))
    #expect(!chunks.mayGet(.average, of: .parameters) && !chunks.mayGet(.average, of: .statistics))
  }

  @Test("in a job that averages, evaluations read averages, of statistics too, and nobody pushes them")
  func averages() {
    for precision in Precision.allCases {
      let local = ChunkLayout(layout, moments: 1, size: 2, precision: precision, isAveraged: true)
      #expect(
        local.indices.map { local.element($0, for: .evaluateTest) } == [.average, .average, .average]
          + local.indices.dropFirst(3).map { _ in precision.element })
      #expect(local.indices.map { local.element($0) }.allSatisfy { $0 != .average })
      for vector in [VectorKind.parameters, .statistics, .moments] {
        #expect(!local.mayPush(.average, of: vector))
        #expect(local.mayGet(.average, of: vector) == (vector != .moments))
      }
      #expect(local.mayGet(.float32, of: .statistics), "replicas start from them")
      #expect(local.mayGet(.float32, of: .parameters) == (precision == .float32))
      #expect(local.byteCount(0, .average) == 8)
    }
  }
}
