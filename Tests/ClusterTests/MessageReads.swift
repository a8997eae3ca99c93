import Kernels
import Models
import TestSupport
import ZeroMQ

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// A message as it goes over a socket: a header, and what follows it.
struct RawMessage {
  var header: [UInt8]
  var payload: [UInt8]

  /// The messages in `bytes`, one after the other; each payload is as long as its header says, or as there are bytes.
  static func all(in bytes: [UInt8]) -> [RawMessage] {
    var messages: [RawMessage] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let header = rest.prefix(Header.size)
      rest = rest.dropFirst(Header.size)
      let length = header.dropFirst(48).prefix(8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      let payload = rest.prefix(Int(clamping: length))
      rest = rest.dropFirst(payload.count)
      messages.append(RawMessage(header: Array(header), payload: Array(payload)))
    }
    return messages
  }

  /// The same message of another session and step.
  func sent(in session: UInt64, at step: Int) -> RawMessage {
    var message = self
    withUnsafeBytes(of: session.littleEndian) { message.header.replaceSubrange(16..<24, with: $0) }
    withUnsafeBytes(of: UInt64(step).littleEndian) { message.header.replaceSubrange(24..<32, with: $0) }
    return message
  }

  /// Reads the message, as far as it can be read.
  ///
  /// - Throws: ``Excess`` where that takes more memory than it may.
  fileprivate func read<Content>(
    _ content: (Frames) throws(WireError) -> Content
  ) throws -> Result<(Header, Content), WireError> {
    let messages = [Message(header)] + (payload.isEmpty ? [] : [Message(payload)])
    var result: Result<(Header, Content), WireError> = .failure(.frameCount(0))
    let allocation = Allocation(again: 1 << 14) {
      do throws(WireError) {
        let frames = try Frames(messages[...], total: messages.count)
        result = .success((frames.header, try content(frames)))
      } catch {
        result = .failure(error)
      }
    }
    let kind = header.count > 6 ? MessageKind(rawValue: UInt16(header[6])) : nil
    if [.hello, .welcome, .ready, .refuse, .goodbye].contains(kind) {
      // Foundation's JSON takes 24 bytes a token before any value, in an array that grows by half.
      try allocation.check(honest: payload.count, peak: 40, block: 25, constant: 1 << 15)
    } else {
      // The first read of a kind has the runtime make its types.
      try allocation.check(honest: payload.count, peak: 2, block: 2, constant: 1 << 16)
    }
    return result
  }
}

/// Reads bytes as what comes past the socket, which is of one size.
///
/// - Returns: whether they could be read.
func readRecord(_ bytes: [UInt8]) -> Bool {
  let record = (bytes + [UInt8](repeating: 0, count: RecordPipe.recordSize))[..<RecordPipe.recordSize]
  return record.withUnsafeBytes { (try? Frames(record: $0)) != nil }
}

/// What both machines are at: a small run, whose next step never is the last.
struct SmallRun {
  static let run: UInt64 = 7
  let chunks: ChunkLayout
  let plan: StepPlan

  /// - Parameter isLocal: whether two replicas take rounds of two steps, by a rule with one moment.
  init(_ precision: Precision, isLocal: Bool) {
    chunks = ChunkLayout(
      parameterCount: 3, moments: isLocal ? 1 : nil, size: 2, precision: precision, isAveraged: isLocal)
    plan = StepPlan(
      trainCount: isLocal ? 16 : 8, validationCount: 8, testCount: 8, batchSize: 8, microBatches: 4,
      length: .steps(1_000_000), local: isLocal ? LocalSteps(steps: 2, replicas: 2) : nil)
  }

  static let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)

  /// The size of a chunk of vector `index` of memory that holds two vectors.
  func valueCount(shared index: Int, _ chunk: UInt32) -> Int {
    index < 2 && chunk < chunks.count ? chunks[Int(chunk)].count : 0
  }
}

/// A coordinator's decisions, and a worker that has joined and sends it whatever bytes.
struct BesiegedCoordinator: ~Copyable {
  private(set) var machine: CoordinatorMachine
  private let run: SmallRun
  private var chunks: ChunkLayout { run.chunks }
  private var peer = CoordinatorMachine.Peer(id: 0)
  /// Honest workers beside it, which compute at once what they are given.
  private let others: ClosedRange<UInt64>?
  /// What they have sent and is not read yet.
  private var answers: [CoordinatorMachine.Event] = []
  private var now = Instant(nanoseconds: 0)

  /// The worker's session; nil where it has been sent away.
  var session: UInt64? { machine.members[peer]?.session }

  /// A run of the worker and of `others` besides.
  init(others: Int = 0, _ precision: Precision = .float32, isLocal: Bool = false) {
    run = SmallRun(precision, isLocal: isLocal)
    machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: SmallRun.run, plan: run.plan, chunks: run.chunks, fingerprint: SmallRun.ready.data,
        layout: SmallRun.ready.layout, numerics: .simulated, awaitedWorkers: 0, metrics: .loss))
    self.others = others == 0 ? nil : UInt64.max - UInt64(others - 1)...UInt64.max
    handle(.started)
    for id in self.others.map(Array.init) ?? [] { join(CoordinatorMachine.Peer(id: id)) }
    join()
  }

  /// Another worker joins, which sends the bytes from now on.
  mutating func join() {
    peer.id += 1
    join(peer)
  }

  private mutating func join(_ peer: CoordinatorMachine.Peer) {
    handle(.received(Header(.hello), .hello(Hello(name: "w\(peer.id)", threads: 1)), from: peer))
    let header = Header(.ready, run: SmallRun.run, session: machine.members[peer]?.session ?? 0)
    handle(.received(header, .ready(SmallRun.ready), from: peer))
  }

  /// Handles an event, and what honest workers answer to it.
  private mutating func handle(_ event: CoordinatorMachine.Event) {
    decide(event)
    // A few, as they could else finish the run among themselves.
    for _ in 0..<min(answers.count, 8) { decide(answers.removeFirst()) }
  }

  private mutating func decide(_ event: CoordinatorMachine.Event) {
    for action in machine.handleAnswering(event, at: now) {
      guard case .send(let header, _, let peer) = action, others?.contains(peer.id) == true else { continue }
      var answer = header
      switch header.kind {
      case .ping:
        answer.kind = .pong
        answers.append(.received(answer, .none, from: peer))
      case .assign: answers += computed(header, by: peer)
      default: break
      }
    }
  }

  /// What an honest worker sends for its leaves, in order.
  private func computed(_ assignment: Header, by peer: CoordinatorMachine.Peer) -> [CoordinatorMachine.Event] {
    let step = Int(assignment.step)
    guard let task = StepTask(assignment.task, step: step) else { preconditionFailure("an assignment without a task") }
    return run.plan.tree(task).maximalNodes(in: assignment.leafRange).flatMap { node in
      var header = assignment
      header.leaves = UInt32(node.start)..<UInt32(node.end)
      var events: [CoordinatorMachine.Event] = []
      (header.kind, header.weight) = (.push, run.plan.averageWeight(of: node.leaves, in: task))
      for chunk in 0..<(task.isTraining ? chunks.count : 0) {
        (header.chunk, header.vector, header.element) = (UInt32(chunk), chunks.kind(chunk), chunks.element(chunk))
        let byteCount = chunks.byteCount(chunk, header.element)
        events.append(.received(header, .gradient(byteCount: byteCount), from: peer))
      }
      (header.kind, header.weight, header.vector, header.element) = (.metrics, 0, .parameters, .float32)
      for step in 0..<run.plan.stepCount(of: task) {
        header.chunk = UInt32(step)
        let examples = Int64(run.plan.exampleCount(of: node.leaves, in: task, localStep: step))
        events.append(.received(header, .metrics(NodeMetrics(examples: examples, loss: 1)), from: peer))
      }
      return events
    }
  }

  /// Reads a message and handles it.
  ///
  /// - Returns: whether it could be read.
  /// - Throws: ``Excess`` where that takes more memory than it may.
  mutating func receive(_ message: RawMessage) throws -> Bool {
    let run = run
    let result = try message.read { (frames) throws(WireError) in
      let gradient = frames.header.kind == .push ? BesiegedCoordinator.gradient(of: frames, run) : nil
      if let gradient, !gradient.values.areFinite { throw .notFinite }
      return try CoordinatorMachine.Content(frames, gradient)
    }
    let event: CoordinatorMachine.Event
    let isRead: Bool
    switch result {
    case .success((let header, let content)): (event, isRead) = (.received(header, content, from: peer), true)
    case .failure(let error): (event, isRead) = (.malformed(error, from: peer), false)
    }
    let allocation = Allocation { handle(event) }
    // Whatever numbers a header has, the machine does not grow by them.
    try allocation.check(honest: message.payload.count, peak: 2, block: 2, constant: 1 << 16)
    return isRead
  }

  private static func gradient(of frames: Frames, _ run: SmallRun) -> FloatBuffer? {
    switch Payload(frames) {
    case .frame(let message): return message.floats(of: frames.header.element)
    case .shared(let index):
      let count = run.valueCount(shared: index, frames.header.chunk)
      return count == 0 ? nil : FloatBuffer(count: count)
    case nil: return nil
    }
  }

  /// Lets time pass.
  mutating func wait(_ seconds: Double) {
    now = now.advanced(by: seconds)
    handle(.tick)
  }
}

/// A worker's decisions, and a coordinator that sends it whatever bytes.
struct BesiegedWorker: ~Copyable {
  private var machine = WorkerMachine(address: "a")
  private var now = Instant(nanoseconds: 0)
  private(set) var isOver = false
  /// Nodes that were to be computed.
  private(set) var computed = 0
  private let run: SmallRun

  init(_ welcome: Welcome, _ precision: Precision = .float32, isLocal: Bool = false) {
    run = SmallRun(precision, isLocal: isLocal)
    handle(.started)
    handle(.received(Header(.welcome, run: SmallRun.run, session: 1), .welcome(welcome)))
  }

  /// Reads a message and handles it.
  ///
  /// - Returns: whether it could be read.
  /// - Throws: ``Excess`` where that takes more memory than it may.
  mutating func receive(_ message: RawMessage) throws -> Bool {
    let result = try message.read { (frames) throws(WireError) in
      try WorkerMachine.Content(frames, valueCount: run.valueCount)
    }
    let event: WorkerMachine.Event
    let isRead: Bool
    switch result {
    case .success((let header, let content)): (event, isRead) = (.received(header, content), true)
    case .failure(let error): (event, isRead) = (.malformed(error), false)
    }
    let allocation = Allocation { handle(event) }
    try allocation.check(honest: message.payload.count, peak: 2, block: 2, constant: 1 << 16)
    return isRead
  }

  /// Handles an event as a driver does that computes at once.
  private mutating func handle(_ event: WorkerMachine.Event) {
    var events = [event]
    while let event = events.popLast() {
      for action in machine.handle(event, at: now) {
        switch action {
        case .load: events.append(.loaded(SmallRun.ready, run.plan, run.chunks))
        case .compute(let node, let task, let start):
          precondition(node.start >= 0 && node.end <= run.plan.tree(task).leafCount, "\(node) of \(task)")
          precondition((start != nil) == (task.isTraining && run.plan.local != nil), "\(task) from \(start as Any)")
          computed += 1
          let steps = run.plan.stepCount(of: task)
          events.append(.computed(node, Array(repeating: NodeMetrics(examples: 1), count: steps)))
        case .combine(let left, let right, let chunks):
          events.append(.combined(Node(left.start..<right.end), chunks: chunks, nonFinite: nil))
        case .store(let chunk, _, let element):
          precondition(
            chunk < run.chunks.count && run.chunks.mayGet(element, of: run.chunks.kind(chunk)),
            "chunk \(chunk) in \(element)")
        case .end: isOver = true
        case .send, .sendToRelay, .link, .setRelay, .relay, .passOn, .release, .forget, .cancel, .group, .connect: break
        }
      }
    }
  }

  /// Lets time pass.
  mutating func wait(_ seconds: Double) {
    now = now.advanced(by: seconds)
    handle(.tick)
  }
}

/// A relay's decisions about those behind it, and one of them, or the coordinator, which send it whatever bytes.
struct BesiegedRelay {
  private var machine = GroupMachine()
  private let run: SmallRun
  private let besieger = GroupMachine.Peer(id: 1)
  private let other = GroupMachine.Peer(id: 2)
  /// The sums at hand, by chunk.
  private var sums: [Int: Set<Node>] = [:]
  private(set) var pushed = 0

  init(_ precision: Precision = .float32, isLocal: Bool = false) {
    run = SmallRun(precision, isLocal: isLocal)
    handle(.welcomed(run: SmallRun.run))
    handle(.loaded(run.plan, run.chunks))
    join()
    handle(.hello(other, isDirect: true))
    handle(.fromAbove(Header(.welcome, run: SmallRun.run, session: 2), other))
  }

  /// The besieger has session 1 from now on.
  mutating func join() {
    handle(.hello(besieger, isDirect: true))
    handle(.fromAbove(Header(.welcome, run: SmallRun.run, session: 1), besieger))
  }

  /// Another member and the relay compute the leaves from 2 on.
  mutating func assign(step: Int) {
    var header = Header(.assign, run: SmallRun.run, session: 2, step: UInt64(step), leaves: 2..<3, task: .train)
    if run.plan.local != nil { header.leaves = 1..<2 }
    handle(.fromAbove(header, other))
    for chunk in run.chunks.indices {
      handle(.own(Node(header.leafRange), step: step, chunk: chunk))
    }
  }

  /// Reads a message and handles it.
  ///
  /// - Returns: whether it could be read.
  /// - Throws: ``Excess`` where that takes more memory than it may.
  mutating func receive(_ message: RawMessage, isFromAbove: Bool) throws -> Bool {
    let result = try message.read { (frames) throws(WireError) in
      if frames.header.kind == .hello { _ = try frames.decode(Hello.self) }
      return frames.header.kind == .push ? frames.payload?.floats(of: frames.header.element)?.count ?? 0 : 0
    }
    guard case .success((let header, let count)) = result else { return false }
    let event =
      isFromAbove
      ? GroupMachine.Event.fromAbove(header, besieger)
      : header.kind == .hello
        ? .hello(besieger, isDirect: true) : .fromBelow(header, byteCount: count * header.element.size, besieger)
    let allocation = Allocation { handle(event) }
    try allocation.check(honest: message.payload.count, peak: 2, block: 2, constant: 1 << 16)
    return true
  }

  /// Handles an event as a driver does.
  private mutating func handle(_ event: GroupMachine.Event) {
    for action in machine.handle(event) {
      switch action {
      case .keep(let node, let chunk):
        precondition(run.chunks.indices.contains(chunk), "chunk \(chunk)")
        precondition(sums[chunk, default: []].insert(node).inserted, "\(node) is there already")
      case .combine(let left, let right, let chunk):
        precondition(sums[chunk]?.remove(left) != nil && sums[chunk]?.remove(right) != nil, "\(left) and \(right)")
        sums[chunk]!.insert(Node(left.start..<right.end))
      case .discard(let node, let chunk): precondition(sums[chunk]?.remove(node) != nil, "\(node) is not there")
      case .push(let node, _, let chunk):
        precondition(sums[chunk]?.remove(node) != nil, "\(node) is not there")
        pushed += 1
      case .clear: sums = [:]
      case .handUp, .handUpWeight, .handDown, .handUpHello, .lose, .sayGoodbye, .disconnect, .pass: break
      }
    }
  }
}
