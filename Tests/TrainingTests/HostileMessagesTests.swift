import Foundation
import Models
import TestSupport
import Testing
import Wire
import ZeroMQ

@testable import Training

/// Spoiled messages to both machines, through all that reads them: no trap.
@Suite struct HostileMessagesTests {
  private typealias Peer = CoordinatorMachine.Peer
  private static let count = 1_000_000
  private let plan = StepPlan(trainCount: 8, testCount: 8, batchSize: 8, microBatches: 4, length: .steps(1_000_000))
  private let chunks = ChunkLayout(parameterCount: 3, size: 2)
  private let ready = Ready(data: "d", layout: ParameterLayout())
  private let names = """
    {"vectors":{"process":1,"descriptor":3,"token":5,"vectors":16,"count":3},
    "inbox":{"process":1,"descriptor":4,"inode":9}}
    """

  /// A message as it goes over a socket: a header, and what follows it.
  private struct Sample {
    var header: [UInt8]
    var payload: [UInt8]

    init(_ header: Header, _ payload: [UInt8] = []) {
      var header = header
      header.payloadLength = UInt64(payload.count)
      self.header = header.encoded
      self.payload = payload
    }
  }

  /// A message of each kind that a worker sends, in `session`.
  private func workersCorpus(session: UInt64) throws -> [Sample] {
    func header(_ kind: MessageKind, leaves: Range<UInt32> = 0..<0, task: TaskKind = .none) -> Header {
      Header(kind, run: 7, session: session, leaves: leaves, task: task)
    }
    var ready = ready
    ready.host = try JSONDecoder().decode(HostNames.self, from: Data(names.utf8))
    return [
      Sample(Header(.hello), Hello(name: "w", threads: 1).encodedPayload()),
      Sample(header(.ready), ready.encodedPayload()),
      Sample(header(.push, leaves: 0..<4, task: .train), [UInt8](repeating: 0, count: 8)),
      Sample(header(.push, leaves: 0..<2, task: .train), [UInt8](repeating: 1, count: 8)),
      Sample(header(.metrics, leaves: 0..<4, task: .train), NodeMetrics(examples: 8).encoded),
      Sample(header(.metrics, leaves: 2..<4, task: .evaluate), NodeMetrics(examples: 4, loss: 1).encoded),
      Sample(header(.ping)), Sample(header(.pong)),
      Sample(header(.goodbye), Reason(reason: "tired").encodedPayload()),
    ]
  }

  private func spoiled(_ sample: Sample, with other: Sample, _ mutator: inout Mutator) -> Sample {
    var sample = sample
    // A payload of JSON takes long to read: it is spoiled now and then.
    if sample.payload.first == UInt8(ascii: "{") && Int.random(in: 0..<20, using: &mutator.generator) > 0 {
      sample.payload = []
    }
    if Int.random(in: 0..<4, using: &mutator.generator) == 0 {
      sample.payload = mutator.mutated(sample.payload, with: other.payload)
      if Bool.random(using: &mutator.generator) {
        withUnsafeBytes(of: UInt64(sample.payload.count).littleEndian) {
          sample.header.replaceSubrange(48..<56, with: $0)
        }
      }
    } else {
      sample.header = mutator.mutated(sample.header, with: other.header)
    }
    return sample
  }

  private func frames(_ sample: Sample) throws(WireError) -> Frames {
    let messages = [Message(sample.header)] + (sample.payload.isEmpty ? [] : [Message(sample.payload)])
    return try Frames(messages[...], total: messages.count)
  }

  @Test func aCoordinatorSurvivesAMillionSpoiledMessages() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("HostileMessagesTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    var now = Instant(nanoseconds: 0)
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: chunks, ready: ready, awaitedWorkers: 0, isClassification: true))
    _ = machine.handle(.started, at: now)
    var read = 0
    func join(_ peer: Peer) -> UInt64 {
      _ = machine.handleAnswering(
        .received(Header(.hello), .hello(Hello(name: "w", threads: 1)), from: peer), at: now)
      guard let session = machine.members[peer]?.session else { return 0 }
      _ = machine.handleAnswering(
        .received(Header(.ready, run: 7, session: session), .ready(ready), from: peer), at: now)
      return session
    }
    var (peer, next) = (Peer(id: 1), 2 as UInt64)
    var corpus = try workersCorpus(session: join(peer))
    for index in 0..<HostileMessagesTests.count {
      let sample = spoiled(
        corpus.randomElement(using: &mutator.generator)!, with: corpus.randomElement(using: &mutator.generator)!,
        &mutator)
      let event: CoordinatorMachine.Event
      do throws(WireError) {
        let frames = try frames(sample)
        event = .received(frames.header, try .init(frames, frames.payload?.alignedFloats), from: peer)
        read += 1
      } catch {
        event = .malformed(error, from: peer)
      }
      _ = machine.handleAnswering(event, at: now)
      if index % 100 == 0 {
        now = now.advanced(by: 0.01)
        _ = machine.handleAnswering(.tick, at: now)
      }
      // One that was expelled comes back as another.
      if machine.members[peer] == nil {
        peer = Peer(id: next)
        next += 1
        corpus = try workersCorpus(session: join(peer))
      }
      if machine.work == nil { break }
    }
    #expect(read > 10_000, "seed \(seed): \(read) messages could be read")
    #expect(machine.members.count < 100 && machine.banned.count < 100_000, "seed \(seed)")
  }

  @Test func aWorkerSurvivesAMillionSpoiledMessages() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("HostileMessagesTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    let corpus = [
      Sample(Header(.parameters, run: 7, session: 1), [UInt8](repeating: 0, count: 8)),
      Sample(Header(.parameters, run: 7, session: 1, chunk: 1), [UInt8](repeating: 0, count: 4)),
      Sample(Header(.assign, run: 7, session: 1, leaves: 0..<4, task: .train)),
      Sample(Header(.assign, run: 7, session: 1, leaves: 0..<1, task: .evaluate)),
      Sample(Header(.ping, run: 7, session: 1)), Sample(Header(.lost, run: 7, session: 1)),
      Sample(Header(.refuse), Reason(reason: "no").encodedPayload()),
      Sample(Header(.goodbye, run: 7, session: 1), Reason(reason: nil).encodedPayload()),
    ]
    let now = Instant(nanoseconds: 0)
    func connected() -> WorkerMachine {
      var machine = WorkerMachine(address: "a")
      _ = machine.handle(.started, at: now)
      _ = machine.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: now)
      _ = machine.handle(.loaded(ready, plan, chunks), at: now)
      return machine
    }
    var machine = connected()
    var read = 0
    var computed = 0
    for _ in 0..<HostileMessagesTests.count {
      let sample = spoiled(
        corpus.randomElement(using: &mutator.generator)!, with: corpus.randomElement(using: &mutator.generator)!,
        &mutator)
      let event: WorkerMachine.Event
      do throws(WireError) {
        let frames = try frames(sample)
        event = .received(frames.header, try .init(frames) { _, _ in 0 })
        read += 1
      } catch {
        event = .malformed(error)
      }
      var isOver = false
      for action in machine.handle(event, at: now) {
        switch action {
        case .compute(let node, let task):
          #expect(node.start >= 0 && node.end <= plan.tree(task).leafCount, "seed \(seed): \(node)")
          computed += 1
        case .end: isOver = true
        default: break
        }
      }
      if isOver { machine = connected() }
    }
    #expect(read > 10_000, "seed \(seed): \(read) messages could be read")
  }
}
