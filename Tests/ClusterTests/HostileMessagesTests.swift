import TestSupport
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// Spoiled messages to both machines, through all that reads them: no trap, and no memory for what a header says.
@Suite struct HostileMessagesTests {
  private static let count = randomCases(1_000_000)

  private func spoiled(_ message: RawMessage, with other: RawMessage, _ mutator: inout Mutator) -> RawMessage {
    var message = message
    // A payload of JSON takes long to read: it is spoiled now and then.
    if message.payload.first == UInt8(ascii: "{") && Int.random(in: 0..<20, using: &mutator.generator) > 0 {
      message.payload = []
    }
    if message.payload.first == UInt8(ascii: "{"), Bool.random(using: &mutator.generator) {
      message.payload = mutator.withAnotherNumber(message.payload)
      withUnsafeBytes(of: UInt64(message.payload.count).littleEndian) {
        message.header.replaceSubrange(48..<56, with: $0)
      }
    } else if Int.random(in: 0..<4, using: &mutator.generator) == 0 {
      message.payload = mutator.mutated(message.payload, with: other.payload)
      if Bool.random(using: &mutator.generator) {
        withUnsafeBytes(of: UInt64(message.payload.count).littleEndian) {
          message.header.replaceSubrange(48..<56, with: $0)
        }
      }
    } else {
      message.header = mutator.mutated(message.header, with: other.header)
    }
    return message
  }

  @Test func theCorpusHasEveryKindAndAllOfItCanBeRead() throws {
    var kinds: Set<UInt8> = []
    for message in try corpus("from-worker").flatMap(RawMessage.all) {
      var coordinator = BesiegedCoordinator(.bf16)
      #expect(try coordinator.receive(message), "\(message)")
      kinds.insert(message.header[6])
    }
    for message in try corpus("from-coordinator").flatMap(RawMessage.all) {
      var worker = BesiegedWorker(.simulated, .bf16)
      #expect(try worker.receive(message), "\(message)")
      kinds.insert(message.header[6])
    }
    #expect(kinds.count == MessageKind.allCases.count)
  }

  @Test("a coordinator of one to three workers survives a million spoiled messages of one of them", arguments: 0...2)
  func aCoordinatorSurvives(others: Int) throws {
    var mutator = Mutator(seed: newSeed(for: "spoiled messages from workers"))
    let files = try corpus("from-worker").map(RawMessage.all)
    let corpus = files.flatMap { $0 }
    let precision = others == 1 ? Precision.bf16 : .float32
    var (isLocal, rounds) = (others == 2, 0)
    var coordinator = BesiegedCoordinator(others: others, precision, isLocal: isLocal)
    var (read, steps) = (0, 0)
    for index in 0..<HostileMessagesTests.count / (others + 1) {
      // One that was expelled comes back as another; a run that is to stop for a flaw, as another run.
      if coordinator.machine.isOver {
        steps += coordinator.machine.step
        if isLocal { rounds += coordinator.machine.step / 2 }
        isLocal = Bool.random(using: &mutator.generator)
        coordinator = BesiegedCoordinator(others: others, precision, isLocal: isLocal)
      } else if coordinator.session == nil {
        coordinator.join()
      }
      // A good conversation now and then brings the machine into its other states.
      if index % 32 == 0 {
        for message in files.randomElement(using: &mutator.generator)! {
          _ = try coordinator.receive(message.sent(in: coordinator.session ?? 0, at: coordinator.machine.step))
        }
      }
      let message = corpus.randomElement(using: &mutator.generator)!
        .sent(in: coordinator.session ?? 0, at: coordinator.machine.step)
      let other = corpus.randomElement(using: &mutator.generator)!
      if try coordinator.receive(spoiled(message, with: other, &mutator)) { read += 1 }
      if index % 100 == 0 { coordinator.wait(0.01) }
    }
    #expect(coordinator.machine.members.count < 100 && coordinator.machine.banned.count < 10_000)
    steps += coordinator.machine.step
    if isLocal { rounds += coordinator.machine.step / 2 }
    #expect(
      read > randomCases(3000) && steps > randomCases(300) && (others < 2 || rounds > randomCases(50)),
      "\(read) messages were read, \(steps) steps done, \(rounds) rounds")
  }

  @Test func aWorkerSurvivesAMillionSpoiledMessages() throws {
    var mutator = Mutator(seed: newSeed(for: "spoiled messages from a coordinator"))
    let files = try corpus("from-coordinator").map(RawMessage.all)
    let corpus = files.flatMap { $0 }.map { $0.sent(in: 1, at: 0) }
    var worker = BesiegedWorker(.simulated)
    var (read, computed, rounded, replicas) = (0, 0, 0, 0)
    var (precision, isLocal) = (Precision.float32, false)
    for _ in 0..<HostileMessagesTests.count {
      let message = corpus.randomElement(using: &mutator.generator)!
      let other = corpus.randomElement(using: &mutator.generator)!
      if try worker.receive(spoiled(message, with: other, &mutator)) { read += 1 }
      guard worker.isOver else { continue }
      computed += worker.computed
      if precision == .bf16 { rounded += worker.computed }
      if isLocal { replicas += worker.computed }
      precision = Precision.allCases.randomElement(using: &mutator.generator)!
      isLocal = Bool.random(using: &mutator.generator)
      worker = BesiegedWorker(.simulated, precision, isLocal: isLocal)
      // The beginning of a good conversation brings it into its other states, now and then, as it takes long to read.
      guard Int.random(in: 0..<4, using: &mutator.generator) == 0 else { continue }
      let file = files.randomElement(using: &mutator.generator)!
      for message in file.prefix(Int.random(in: 0...file.count, using: &mutator.generator)) {
        _ = try worker.receive(message)
      }
    }
    #expect(
      read > randomCases(10_000) && computed > randomCases(1000) && rounded > randomCases(300)
        && replicas > randomCases(100),
      "\(read) messages were read, \(computed) nodes to be computed, \(rounded) in bf16, \(replicas) of replicas")
  }

  @Test func aRelaySurvivesAMillionSpoiledMessages() throws {
    var mutator = Mutator(seed: newSeed(for: "spoiled messages to a relay"))
    let files = try [corpus("from-worker"), corpus("from-coordinator")].map { $0.map(RawMessage.all) }
    var (relay, read, pushed, step) = (BesiegedRelay(), 0, 0, 0)
    for index in 0..<HostileMessagesTests.count {
      if index % 1000 == 0 {
        pushed += relay.pushed
        let precision = Precision.allCases.randomElement(using: &mutator.generator)!
        (relay, step) = (BesiegedRelay(precision, isLocal: Bool.random(using: &mutator.generator)), 0)
      }
      if index % 16 == 0 {
        relay.join()
        step += 2
        relay.assign(step: step)
      }
      let isFromAbove = index % 2 == 0
      let message = files[isFromAbove ? 1 : 0].randomElement(using: &mutator.generator)!
        .randomElement(using: &mutator.generator)!.sent(in: 1, at: step)
      let other = files[0].randomElement(using: &mutator.generator)!.randomElement(using: &mutator.generator)!
      let isSpoiled = Int.random(in: 0..<4, using: &mutator.generator) > 0
      if try relay.receive(isSpoiled ? spoiled(message, with: other, &mutator) : message, isFromAbove: isFromAbove) {
        read += 1
      }
    }
    pushed += relay.pushed
    #expect(
      read > randomCases(10_000) && pushed > randomCases(1000), "\(read) messages were read, \(pushed) sums pushed")
  }

  @Test(arguments: ["from-worker", "from-coordinator"])
  func spoiledRecords(_ folder: String) throws {
    #expect(try readSpoiled(folder, count: randomCases(500_000), readRecord) > randomCases(1000))
  }

  @Test func memoryForJSONIsBoundedByItsLength() throws {
    let tensor = #"{"name":"","shape":[1,1,1,1,1,1,1,1],"savedAxes":[],"range":[0,1]}"#
    let tensors = Array(repeating: tensor, count: 1000).joined(separator: ",")
    for payload in [
      "[" + String(repeating: "1,", count: 50_000) + "1]", String(repeating: "[", count: 50_000),
      #"{"name":"\#(String(repeating: "n", count: 100_000))","threads":1}"#,
      #"{"name":"\#(String(repeating: #"\u0041"#, count: 20_000))","threads":1}"#,
      #"{"threads":1"# + String(repeating: #","":1"#, count: 20_000) + "}",
      #"{"threads":1"# + (0..<10_000).map { #","\#($0)":1"# }.joined() + "}",
      #"{"data":"d","layout":{"tensors":[\#(tensors)]}}"#,
    ] {
      for kind in [MessageKind.hello, .ready, .goodbye] {
        var coordinator = BesiegedCoordinator()
        let header = Header(kind, run: SmallRun.run, session: 1, payloadLength: UInt64(payload.utf8.count))
        _ = try coordinator.receive(RawMessage(header: header.encoded, payload: Array(payload.utf8)))
      }
    }
  }

  @Test func aHeaderAsksForNoMemory() throws {
    for task in TaskKind.allCases where task != .none {
      for kind in MessageKind.allCases {
        let header = Header(
          kind, run: SmallRun.run, session: 1, step: .max, leaves: 0..<UInt32.max, chunk: .max, task: task,
          payloadLength: .max, sharedSlot: .max)
        var first = header
        (first.step, first.payloadLength) = (0, 0)
        for header in [header, first] {
          var coordinator = BesiegedCoordinator()
          _ = try coordinator.receive(RawMessage(header: header.encoded, payload: []))
          var worker = BesiegedWorker(.simulated)
          _ = try worker.receive(RawMessage(header: header.encoded, payload: []))
        }
      }
    }
  }
}
