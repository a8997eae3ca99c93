import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// What a worker does with what it is told, and with silence.
@Suite struct WorkerMachineTests {
  @Test func pingsEachSecondEvenWhereTheCoordinatorIsHeard() {
    // Its own pings may be stuck behind parameters on a slow link, and so would the answers to them be.
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: Instant(nanoseconds: 0))
    _ = worker.handle(
      .received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: Instant(nanoseconds: 0))
    var pings = 0
    for tenth in 1...50 as ClosedRange<Int64> {
      let now = Instant(nanoseconds: tenth * 100_000_000)
      _ = worker.handle(.received(Header(.pong, run: 7, session: 1), .none), at: now)
      for case .send(let header, _) in worker.handle(.tick, at: now) where header.kind == .ping { pings += 1 }
    }
    #expect(pings == 5)
  }

  @Test("a member that is told its place joins again there, and comes back if that is not to be reached")
  func moves() {
    var worker = WorkerMachine(address: "tcp://coordinator")
    _ = worker.handle(.started, at: at(0))
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: at(0))
    func goes(_ actions: [WorkerMachine.Action]) -> [String] {
      actions.compactMap { if case .connect(let way) = $0 { way.address } else { nil } }
    }
    func says(_ kind: MessageKind, _ actions: [WorkerMachine.Action]) -> Bool {
      actions.contains { if case .send(let header, _) = $0 { header.kind == kind } else { false } }
    }
    let ways = Ways(alternatives: [Ways.Alternative(address: "tcp://relay", key: "k")], moves: true)
    let moved = worker.handle(.received(Header(.ways, run: 7, session: 1), .ways(ways)), at: at(1))
    #expect(goes(moved) == ["tcp://relay"] && says(.hello, moved) && worker.session == 0)
    // It may be told that its former session is over.
    #expect(worker.handle(.received(Header(.lost, run: 7, session: 1), .none), at: at(1)).isEmpty)
    let back = worker.handle(.tick, at: at(6.1))
    #expect(goes(back) == ["tcp://coordinator"] && says(.hello, back))
    // Those behind have asked for a session by the former way meanwhile.
    #expect(back.contains { if case .group(.lost) = $0 { true } else { false } })
    var ends: [String?] = []
    for case .end(let failure) in worker.handle(.received(Header(.goodbye), .reason(nil)), at: at(6.2)) {
      ends.append(failure)
    }
    #expect(ends == [nil])
  }

  @Test("an assignment waits for parameters that relays pass on, and asks for what does not come")
  func anAssignmentWaitsForItsParameters() {
    let start = Instant(nanoseconds: 0)
    let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
    let chunks = ChunkLayout(parameterCount: 3, size: 2)
    var worker = WorkerMachine.ready(plan, chunks)
    let parameters = Header(.parameters, run: 7, session: 1, step: 0, chunk: 0)
    _ = worker.handle(.received(parameters, .parameters(byteCount: 8)), at: start)
    func isComputing(_ actions: [WorkerMachine.Action]) -> Bool {
      actions.contains { if case .compute = $0 { true } else { false } }
    }
    let assign = Header(.assign, run: 7, session: 1, leaves: 0..<4, task: .train)
    #expect(!isComputing(worker.handle(.received(assign, .none), at: start)))
    for seconds in [1.0, 2.1] {
      var missing: [[Int]] = []
      for case .send(_, .missing(let chunks)) in worker.handle(.tick, at: start.advanced(by: seconds)) {
        missing.append(chunks.chunks)
      }
      #expect(missing == (seconds < 2 ? [] : [[1]]))
    }
    // It has given the assignment back: it begins when it comes again.
    let rest = Header(.parameters, run: 7, session: 1, step: 0, chunk: 1)
    #expect(!isComputing(worker.handle(.received(rest, .parameters(byteCount: 4)), at: start)))
    #expect(isComputing(worker.handle(.received(assign, .none), at: start)))
    // It cannot take another one now.
    var failure: String?
    for case .end(let reason) in worker.handle(.received(assign, .none), at: start) { failure = reason?.description }
    #expect(failure?.contains("which cannot be computed now") == true)
  }

  @Test("a chunk of the next step tells a waiting worker that others have computed its leaves")
  func isOvertaken() {
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: at(0))
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: at(0))
    let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(4))
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
    _ = worker.handle(.loaded(ready, plan, ChunkLayout(parameterCount: 3, size: 2)), at: at(0))
    func give(_ chunk: Int, step: UInt64) -> [WorkerMachine.Action] {
      let header = Header(.parameters, run: 7, session: 1, step: step, chunk: UInt32(chunk))
      return worker.handle(.received(header, .parameters(byteCount: chunk == 0 ? 8 : 4)), at: at(0))
    }
    func assign(step: UInt64) -> [WorkerMachine.Action] {
      worker.handle(
        .received(Header(.assign, run: 7, session: 1, step: step, leaves: 0..<4, task: .train), .none), at: at(0))
    }
    _ = give(0, step: 0)
    #expect(!assign(step: 0).contains { if case .compute = $0 { true } else { false } })
    let actions = give(1, step: 1)
    let missing = actions.compactMap {
      if case .send(let header, .missing(let chunks)) = $0 { (header, chunks) } else { nil }
    }
    #expect(missing.map(\.0.step) == [0] && missing.map(\.1.chunks) == [[1]])
    // Until the answer it takes what comes.
    for step in [1, 2] as [UInt64] {
      for chunk in 0..<2 where step == 2 || chunk == 0 { #expect(!give(chunk, step: step).isEmpty) }
    }
    #expect(assign(step: 2).contains { if case .compute = $0 { true } else { false } })
  }

  @Test("a chunk of something that the worker does not know is an error", arguments: [true, false])
  func unknownChunksAreErrors(_ isVector: Bool) {
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: at(0))
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: at(0))
    let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
    _ = worker.handle(.loaded(ready, plan, ChunkLayout(parameterCount: 2, size: 2)), at: at(0))
    let header = Header(
      .parameters, run: 7, session: 1, vector: isVector ? .moments : .parameters,
      element: isVector ? .float32 : .bf16)
    let actions = worker.handle(.received(header, .parameters(byteCount: 8)), at: at(0))
    var failure: String?
    for case .end(let reason) in actions { failure = reason?.description }
    #expect(failure?.contains(isVector ? "a chunk of moments" : "in bf16") == true, "\(failure ?? "none")")
  }

  @Test(
    "an evaluation is of the part that the assignment names, and so are its metrics", arguments: HeldOutPart.allCases)
  func evaluatesThePartThatItIsTold(_ part: HeldOutPart) {
    for isThere in [true, false] {
      let plan = StepPlan(
        trainCount: 8, validationCount: part == .validation && isThere ? 300 : 0,
        testCount: part == .test && isThere ? 300 : 0, batchSize: 8, microBatches: 4, length: .steps(2))
      var worker = WorkerMachine.ready(plan, ChunkLayout(parameterCount: 2, size: 2))
      let parameters = Header(.parameters, run: 7, session: 1, step: 1, chunk: 0)
      _ = worker.handle(.received(parameters, .parameters(byteCount: 8)), at: at(0))
      let kind = StepTask.evaluate(step: 1, part: part).kind
      let assign = Header(.assign, run: 7, session: 1, step: 1, leaves: isThere ? 0..<2 : 0..<1, task: kind)
      let actions = worker.handle(.received(assign, .none), at: at(0))
      guard isThere else {
        #expect(actions.contains { if case .end(.some) = $0 { true } else { false } }, "the worker has no such part")
        continue
      }
      let tasks = actions.compactMap { if case .compute(_, let task, _) = $0 { task } else { nil } }
      #expect(!tasks.isEmpty && tasks.allSatisfy { $0 == .evaluate(step: 1, part: part) })
      var sent: [Header] = []
      for case .compute(let node, _, _) in actions {
        for case .send(let header, _) in worker.handle(.computed(node, [NodeMetrics()]), at: at(0)) {
          sent.append(header)
        }
      }
      #expect(sent.map(\.kind) == [.metrics] && sent.map(\.task) == [kind] && sent.map(\.step) == [1])
    }
  }

  private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

  private func kinds(_ actions: [WorkerMachine.Action]) -> [MessageKind] {
    actions.compactMap { if case .send(let header, _) = $0 { header.kind } else { nil } }
  }

  /// A worker at work on two leaves, in two pieces.
  private func working(reconnect: Double = 300) -> WorkerMachine {
    var limits = Limits()
    limits.reconnectTimeout = reconnect
    var worker = WorkerMachine(address: "here", threads: 2, limits: limits)
    _ = worker.handle(.started, at: at(0))
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: at(0))
    let plan = StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2))
    _ = worker.handle(
      .loaded(
        Ready(data: "d", layout: ParameterLayout(), numerics: .simulated), plan, ChunkLayout(parameterCount: 2, size: 2)
      ), at: at(0))
    let parameters = Header(.parameters, run: 7, session: 1, step: 0, chunk: 0)
    _ = worker.handle(.received(parameters, .parameters(byteCount: 8)), at: at(0))
    let actions = worker.handle(
      .received(Header(.assign, run: 7, session: 1, leaves: 0..<2, task: .train), .none), at: at(0))
    #expect(actions.count { if case .compute = $0 { true } else { false } } == 2)
    return worker
  }

  @Test("a run that ends before its time ends its workers with its reason", arguments: [nil, "interrupted by SIGTERM"])
  func theRunsReasonIsTheWorkers(reason: String?) {
    var worker = working()
    let goodbye = Header(.goodbye, run: 7, session: 1)
    var outcome: String??
    let actions = worker.handle(.received(goodbye, .reason(reason)), at: at(1))
    for case .end(let failure) in actions { outcome = failure }
    guard case .send(let answer, _) = actions.first else {
      Issue.record("the coordinator waits for an answer")
      return
    }
    #expect(answer.kind == .goodbye && answer.session == 1)
    #expect(outcome == .some(reason.map { "the coordinator at here has ended the run: \($0)" }))
  }

  @Test func theTimeInWhichAWorkerWasStoppedIsNoWaitForTheCoordinator() {
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: at(0))
    for second in [1, 2, 60, 61, 64] {
      let actions = worker.handle(.tick, at: at(Double(second)))
      // The first greeting may be lost: it is said again after the silence limit.
      #expect(kinds(actions) == (second == 60 ? [.hello] : []) && actions.count == (second == 60 ? 1 : 0), "\(second)")
    }
    let actions = worker.handle(.tick, at: at(67))
    guard case .end? = actions.last else {
      Issue.record("eight seconds are over, 58 not counted: \(actions)")
      return
    }
  }

  @Test("a worker that has lost its coordinator drops its work, says hello again, and keeps its data")
  func comesBack() {
    for isTold in [false, true] {
      var worker = working()
      let lost =
        isTold
        ? worker.handle(.received(Header(.lost, run: 7, session: 1), .none), at: at(1))
        : worker.handle(.tick, at: at(5.1))
      #expect(kinds(lost) == [.hello])
      #expect(lost.contains { if case .cancel = $0 { true } else { false } })
      let welcome = Header(.welcome, run: 8, session: 4)
      #expect(kinds(worker.handle(.received(welcome, .welcome(.simulated)), at: at(6))).isEmpty, "it still computes")
      #expect(kinds(worker.handle(.computed(Node(0..<1), [NodeMetrics()]), at: at(6))).isEmpty)
      let ready = worker.handle(.computed(Node(1..<2), [NodeMetrics()]), at: at(6))
      #expect(kinds(ready) == [.ready])
      #expect(!ready.contains { if case .load = $0 { true } else { false } }, "nothing is loaded again")
      #expect(ready.contains { if case .release(let node) = $0 { node == Node(1..<2) } else { false } })
      // What the old session sends is not for the new one.
      #expect(worker.handle(.received(Header(.lost, run: 7, session: 1), .none), at: at(6)).isEmpty)
    }
  }

  @Test func anotherJobIsLoadedAnew() throws {
    var worker = working()
    _ = worker.handle(.tick, at: at(5.1))
    var other = Welcome.simulated
    other.chunkSize += 1
    _ = worker.handle(.received(Header(.welcome, run: 8, session: 4), .welcome(other)), at: at(6))
    _ = worker.handle(.computed(Node(0..<1), [NodeMetrics()]), at: at(6))
    let actions = worker.handle(.computed(Node(1..<2), [NodeMetrics()]), at: at(6))
    #expect(actions.contains { if case .load(let welcome) = $0 { welcome == other } else { false } })
  }

  @Test("the wait for a lost coordinator ends", arguments: [0.0, 30])
  func givesUp(_ reconnect: Double) {
    var worker = working(reconnect: reconnect)
    var failure: String?
    var hellos = 0
    var now = 0.0
    while failure == nil && now < 100 {
      now += 0.1
      let actions = worker.handle(.tick, at: at(now))
      hellos += kinds(actions).count { $0 == .hello }
      for case .end(let reason) in actions { failure = reason?.description }
    }
    #expect(now > reconnect + 4.9 && now < reconnect + 5.5)
    #expect(reconnect == 0 ? hellos == 0 : hellos == 6, "one each silence limit: \(hellos)")
    #expect(failure?.contains(reconnect == 0 ? "silent for 5 s" : "gone for 30 s (--reconnect-timeout)") == true)
  }
}
