import Foundation
import Kernels
import Models
import Testing
import ZeroMQ

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// A coordinator that runs, and a peer that sends it what no worker does: an honest worker still ends the run, to the same
/// bits.
@Suite struct StrangerTests {
  private let prepared: PreparedJob

  init() throws {
    var options = JobOptions()
    for (name, value) in [("model", "mlp:6"), ("steps", "40"), ("batch-size", "64"), ("micro-batches", "4")] {
      try options.set(name, to: value)
    }
    prepared = try PreparedJob(options, models: ModelFactory.builtIn)
  }

  private func json(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// Runs a coordinator with a timeline; `attack` sends through a socket of its own, then a worker computes the run.
  private func run(_ attack: (Attacker) throws -> Void) throws -> RunningCoordinator.Outcome {
    let timelinePath = FileManager.default.temporaryDirectory.appendingPathComponent("timeline-\(UUID()).json").path
    defer { try? FileManager.default.removeItem(atPath: timelinePath) }
    let timeline = try Timeline(timelinePath, process: "coordinator")
    let coordinator = RunningCoordinator(prepared, timeline: timeline, silence: 5, workers: 20)
    let attacker = try Attacker(coordinator.waitForAddress())
    try attack(attacker)
    let worker = RunningWorker(try #require(coordinator.outcome.address))
    let outcome = coordinator.waitForEnd()
    worker.end()
    #expect(outcome.isOver && outcome.error == nil, "\(outcome.error ?? "it has not ended")")
    return outcome
  }

  @Test("a peer's numbers cost it its session and nobody anything")
  func hostileNumbers() throws {
    let undisturbed = try run { _ in }
    let expected = try #require(undisturbed.last).parameters.array.map(\.bitPattern)
    for hello in [
      #"{"name":"x","threads":-1}"#, #"{"name":"x","threads":0}"#, #"{"name":"x","threads":9223372036854775807}"#,
      #"{"name":"x","threads":1025}"#,
    ] {
      let outcome = try run { attacker in
        try attacker.send(Header(.hello), json(hello))
        // It would be the first member, and be given leaves.
        let session = try attacker.welcomedSession(milliseconds: 300)
        #expect(session == nil, "\(hello) was welcomed")
      }
      #expect(outcome.warnings.contains { $0.contains("count of threads") }, "\(outcome.warnings)")
      #expect(outcome.last?.parameters.array.map(\.bitPattern) == expected)
    }
  }

  @Test("of a peer that is no member nothing is looked at, with a timeline too")
  func strangers() throws {
    let outcome = try run { attacker in
      for step in [0, 1 << 48] as [UInt64] {
        for slot in [0, 1, 1 << 16] as [UInt64] {
          for (run, session) in [(0, 0), (7, 1), (UInt64.max, UInt64.max)] as [(UInt64, UInt64)] {
            let header = Header(
              .push, run: run, session: session, step: step, leaves: 0..<4, chunk: .max, task: .train, sharedSlot: slot)
            try attacker.send(header, [])
            try attacker.send(Header(.metrics, run: run, session: session, leaves: 0..<4, task: .train), [])
            try attacker.send(Header(.ready, run: run, session: session), json("{}"))
          }
        }
      }
      // As it was reproduced: 64 bytes with step 2^64 - 1.
      var bytes = Header(.push, leaves: 0..<4, task: .train).encoded
      bytes.replaceSubrange(24..<32, with: [UInt8](repeating: 0xFF, count: 8))
      try attacker.send(raw: bytes)
    }
    #expect(outcome.reported.count == 40)
  }

  @Test("memory is offered to a process of this user on this machine, and its own is refused to a member")
  func memoryNames() throws {
    let coordinator = RunningCoordinator(prepared, sharesMemory: true, silence: 5, workers: 20)
    let attacker = try Attacker(coordinator.waitForAddress())
    try attacker.send(Header(.hello), json(#"{"name":"x","threads":1}"#))
    let (header, payload) = try #require(try attacker.receive(.welcome))
    let welcome = try JSONDecoder().decode(Welcome.self, from: Data(payload))
    let names = try #require(welcome.host, "a loopback peer is on this machine")
    // The coordinator's own vectors, by the name that it offers.
    let ready = Ready(
      data: prepared.fingerprint, layout: prepared.model.layout, numerics: prepared.numerics, host: names)
    try attacker.send(Header(.ready, run: header.run, session: header.session), ready.encodedPayload())
    let (assign, _) = try #require(try attacker.receive(.assign))
    #expect(assign.sharedSlot == 0, "its gradients must come in messages")
    try attacker.send(Header(.goodbye, run: header.run, session: header.session), json("{}"))
    let worker = RunningWorker(try #require(coordinator.outcome.address))
    #expect(worker.waitForEnd() == nil)
    _ = coordinator.waitForEnd()
  }
}

/// A socket that sends what it likes.
final class Attacker {
  private let socket: Socket
  private let waker = Waker()

  init(_ address: String) throws {
    socket = try Socket(Context(), .dealer)
    try socket.set(.linger(milliseconds: 0))
    try socket.connect(address)
  }

  func send(_ header: Header, _ payload: [UInt8]) throws {
    var header = header
    header.payloadLength = UInt64(payload.count)
    try socket.send(header.encoded.withUnsafeBytes { Message(copying: $0) }, more: !payload.isEmpty)
    if !payload.isEmpty { try socket.send(payload.withUnsafeBytes { Message(copying: $0) }) }
  }

  func send(raw bytes: [UInt8]) throws { try socket.send(bytes.withUnsafeBytes { Message(copying: $0) }) }

  /// The next message of a kind, and its payload; nil where none comes.
  func receive(_ kind: MessageKind, milliseconds: Int = 10_000) throws -> (Header, [UInt8])? {
    var poller = Poller(socket, waker)
    let end = Instant.now.advanced(by: Double(milliseconds) / 1000)
    while Instant.now < end {
      try poller.wait(milliseconds: 50)
      while let received = try socket.receiveFrames(limit: 2) {
        let header = try Header(decoding: received.frames[0].bytes)
        if header.kind == kind { return (header, received.frames.dropFirst().first.map { Array($0.bytes) } ?? []) }
      }
    }
    return nil
  }

  func welcomedSession(milliseconds: Int) throws -> UInt64? {
    try receive(.welcome, milliseconds: milliseconds)?.0.session
  }
}
