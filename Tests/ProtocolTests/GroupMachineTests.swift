import Reduction
import Testing

@testable import Protocol

/// A relay with members behind it.
@Suite struct GroupMachineTests {
  private typealias Peer = GroupMachine.Peer
  private typealias Action = GroupMachine.Action

  private static let plan = StepPlan(trainCount: 64, testCount: 0, batchSize: 16, microBatches: 4, length: .steps(3))
  private static let chunks = ChunkLayout(parameterCount: 3, size: 2)
  private let a = Peer(id: 1)
  private let b = Peer(id: 2)
  private let c = Peer(id: 3)

  /// A relay of session 5 in run 7, behind which each of `sessions` has joined.
  private func relay(_ sessions: [(Peer, UInt64)]) -> GroupMachine {
    var relay = GroupMachine()
    _ = relay.handle(.welcomed(run: 7))
    _ = relay.handle(.loaded(Self.plan, Self.chunks))
    for (peer, session) in sessions {
      #expect(relay.handle(.hello(peer, isDirect: true)) == [.handUpHello(peer)])
      let welcome = Header(.welcome, run: 7, session: session)
      #expect(relay.handle(.fromAbove(welcome, peer)) == [.handDown(peer)])
      let ready = Header(.ready, run: 7, session: session)
      #expect(relay.handle(.fromBelow(ready, byteCount: 0, peer)) == [.handUp(peer)])
    }
    return relay
  }

  private func assign(
    _ relay: inout GroupMachine, _ leaves: Range<UInt32>, _ peer: Peer, _ session: UInt64, step: UInt64 = 0
  ) -> [Action] {
    relay.handle(
      .fromAbove(Header(.assign, run: 7, session: session, step: step, leaves: leaves, task: .train), peer))
  }

  private func push(
    _ relay: inout GroupMachine, _ leaves: Range<UInt32>, _ peer: Peer, _ session: UInt64, step: UInt64 = 0,
    chunk: UInt32 = 0, weight: Double = 0, isEmpty: Bool = false
  ) -> [Action] {
    relay.handle(
      .fromBelow(
        Header(.push, run: 7, session: session, step: step, leaves: leaves, chunk: chunk, task: .train, weight: weight),
        byteCount: isEmpty ? 0 : chunk == 0 ? 8 : 4, peer))
  }

  @Test("sums of those behind are added as far as they go, and only then pushed")
  func addsWhatIsAssigned() {
    var relay = relay([(a, 11), (b, 12), (c, 13)])
    #expect(assign(&relay, 0..<1, a, 11) == [.clear, .handDown(a)])
    #expect(assign(&relay, 1..<2, b, 12) == [.handDown(b)])
    #expect(assign(&relay, 2..<3, c, 13) == [.handDown(c)])
    #expect(push(&relay, 0..<1, a, 11) == [.keep(Node(0..<1), chunk: 0)])
    // Nobody here computes the fourth leaf.
    #expect(push(&relay, 2..<3, c, 13) == [.keep(Node(2..<3), chunk: 0), .push(Node(2..<3), step: 0, chunk: 0)])
    #expect(
      push(&relay, 1..<2, b, 12) == [
        .keep(Node(1..<2), chunk: 0), .combine(left: Node(0..<1), right: Node(1..<2), chunk: 0),
        .push(Node(0..<2), step: 0, chunk: 0),
      ])
    #expect(push(&relay, 1..<2, b, 12).isEmpty, "it is pushed already")
    #expect(push(&relay, 1..<2, b, 12, step: 1).isEmpty, "step 1 has no assignment yet")
    // The next step's first assignment ends this one's sums.
    #expect(assign(&relay, 0..<2, a, 11, step: 1) == [.clear, .handDown(a)])
    #expect(push(&relay, 1..<2, b, 12).isEmpty)
  }

  @Test("the weight of each node is handed on once, before its chunks")
  func handsWeightsOn() {
    var relay = relay([(a, 11), (b, 12)])
    _ = assign(&relay, 0..<1, a, 11)
    _ = assign(&relay, 1..<2, b, 12)
    #expect(push(&relay, 0..<1, a, 11, weight: 4) == [.handUpWeight(a), .keep(Node(0..<1), chunk: 0)])
    #expect(push(&relay, 0..<1, a, 11, chunk: 1, weight: 4) == [.keep(Node(0..<1), chunk: 1)])
    // Of a relay behind this one, which adds the gradients itself.
    #expect(push(&relay, 1..<2, b, 12, weight: 4, isEmpty: true) == [.handUp(b)])
    #expect(push(&relay, 1..<2, b, 12, isEmpty: true).isEmpty)
    #expect(push(&relay, 2..<3, b, 12, weight: 4, isEmpty: true).isEmpty, "nobody here computes it")
    _ = assign(&relay, 0..<1, a, 11, step: 1)
    #expect(push(&relay, 0..<1, a, 11, step: 1, weight: 3).first == .handUpWeight(a))
  }

  @Test("what was pushed before others were assigned its sibling is not waited for")
  func assignmentsInTurn() {
    var relay = relay([(a, 11), (b, 12)])
    _ = assign(&relay, 0..<1, a, 11)
    #expect(push(&relay, 0..<1, a, 11) == [.keep(Node(0..<1), chunk: 0), .push(Node(0..<1), step: 0, chunk: 0)])
    _ = assign(&relay, 1..<4, b, 12)
    #expect(push(&relay, 1..<2, b, 12) == [.keep(Node(1..<2), chunk: 0), .push(Node(1..<2), step: 0, chunk: 0)])
    #expect(push(&relay, 2..<4, b, 12) == [.keep(Node(2..<4), chunk: 0), .push(Node(2..<4), step: 0, chunk: 0)])
    // Of another chunk nothing is pushed yet.
    #expect(push(&relay, 1..<2, b, 12, chunk: 1) == [.keep(Node(1..<2), chunk: 1)])
  }

  @Test("its own sums go with those of the members behind it")
  func addsItsOwn() {
    var relay = relay([(a, 11)])
    let own = Header(.assign, run: 7, session: 5, leaves: 2..<4, task: .train)
    #expect(relay.handle(.assigned(own)) == [.clear])
    #expect(assign(&relay, 0..<2, a, 11) == [.handDown(a)])
    #expect(relay.handle(.own(Node(2..<4), step: 0, chunk: 1)) == [.keep(Node(2..<4), chunk: 1)])
    #expect(
      push(&relay, 0..<2, a, 11, chunk: 1) == [
        .keep(Node(0..<2), chunk: 1), .combine(left: Node(0..<2), right: Node(2..<4), chunk: 1),
        .push(Node(0..<4), step: 0, chunk: 1),
      ])
  }

  @Test("it waits neither for those whose leaves others compute nor for those that have left")
  func waitsNoLonger() {
    for isUnassigned in [true, false] {
      var relay = relay([(a, 11), (b, 12)])
      _ = assign(&relay, 0..<2, a, 11)
      _ = assign(&relay, 2..<4, b, 12)
      #expect(push(&relay, 0..<2, a, 11) == [.keep(Node(0..<2), chunk: 0)])
      if isUnassigned {
        #expect(relay.handle(.unassigned(session: 12, step: 0)) == [.push(Node(0..<2), step: 0, chunk: 0)])
        // It may come all the same.
        #expect(
          push(&relay, 2..<4, b, 12) == [.keep(Node(2..<4), chunk: 0), .push(Node(2..<4), step: 0, chunk: 0)])
      } else {
        let lost = Header(.lost, run: 7, session: 12)
        #expect(
          relay.handle(.fromAbove(lost, b)) == [.handDown(b), .disconnect(b), .push(Node(0..<2), step: 0, chunk: 0)])
      }
    }
  }

  @Test func passesParametersOnToThoseThatAreReady() {
    var relay = relay([(b, 12), (a, 11)])
    _ = relay.handle(.hello(c, isDirect: true))
    #expect(relay.handle(.parameters) == [.pass(a, session: 11), .pass(b, session: 12)])
  }

  @Test("those behind another relay get parameters from that one")
  func passesParametersOnOnce() {
    var relay = relay([(a, 11)])
    _ = relay.handle(.hello(b, isDirect: false))
    _ = relay.handle(.fromAbove(Header(.welcome, run: 7, session: 12), b))
    _ = relay.handle(.fromBelow(Header(.ready, run: 7, session: 12), byteCount: 0, b))
    #expect(relay.handle(.parameters) == [.pass(a, session: 11)])
  }

  @Test("with its own session those of all behind it end")
  func losesAll() {
    var relay = relay([(a, 11)])
    _ = relay.handle(.hello(b, isDirect: true))
    _ = assign(&relay, 0..<2, a, 11)
    #expect(relay.handle(.lost) == [.lose(a, run: 7, session: 11), .disconnect(a), .disconnect(b), .clear])
    #expect(push(&relay, 0..<2, a, 11) == [.lose(a, run: 7, session: 11)])
    // A HELLO waits until the coordinator knows the relay again.
    #expect(relay.handle(.hello(a, isDirect: true)) == [.handUpHello(a)])
    #expect(relay.handle(.welcomed(run: 8)) == [.handUpHello(a)])
    // It asks again, until it has a session; one that asks with a session gets a new connection.
    #expect(relay.handle(.hello(a, isDirect: true)) == [.handUpHello(a)])
    _ = relay.handle(.fromAbove(Header(.welcome, run: 8, session: 21), a))
    #expect(relay.handle(.hello(a, isDirect: true)) == [.handUpHello(a, anew: true)])
  }

  @Test("when the run ends, the relay stays until those behind it have answered")
  func goodbye() {
    var relay = relay([(a, 11), (b, 12)])
    let goodbye = Header(.goodbye, run: 7, session: 11)
    #expect(relay.handle(.fromAbove(goodbye, a)) == [.handDown(a)] && relay.awaitsAnswers)
    // The coordinator hears of it until then.
    #expect(relay.handle(.fromBelow(Header(.ping, run: 7, session: 11), byteCount: 0, a)) == [.handUp(a)])
    // One that has asked for a session and has none yet would ask again until it gives up.
    _ = relay.handle(.hello(c, isDirect: true))
    #expect(
      relay.handle(.over(reason: "why")) == [
        .sayGoodbye(b, run: 7, session: 12, reason: "why"), .sayGoodbye(c, run: 0, session: 0, reason: "why"),
      ])
    #expect(relay.handle(.fromAbove(Header(.goodbye, run: 7, session: 12), b)).isEmpty, "it is told once")
    #expect(relay.handle(.fromBelow(goodbye, byteCount: 0, a)) == [.handUp(a), .disconnect(a)])
    #expect(relay.handle(.fromBelow(Header(.goodbye), byteCount: 0, c)) == [.handUp(c), .disconnect(c)])
    // It did not get the GOODBYE.
    #expect(
      relay.handle(.hello(b, isDirect: true)) == [
        .handUpHello(b), .sayGoodbye(b, run: 0, session: 0, reason: "why"),
      ])
    #expect(relay.awaitsAnswers)
    #expect(relay.handle(.fromBelow(Header(.goodbye), byteCount: 0, b)) == [.handUp(b), .disconnect(b)])
    #expect(!relay.awaitsAnswers)
  }

  @Test("one that says HELLO again and again does not keep a relay whose run has ended")
  func helloAfterTheEnd() {
    var relay = relay([(a, 11)])
    _ = relay.handle(.over(reason: nil))
    let most = Int(Limits().shutdownTimeout)
    for second in 0...most + 1 {
      if second < most { #expect(relay.awaitsAnswers, "\(second)") }
      _ = relay.handle(.hello(a, isDirect: true))
      _ = relay.handle(.tick(Instant(nanoseconds: Int64(second) * 1_000_000_000)))
    }
    _ = relay.handle(.hello(a, isDirect: true))
    #expect(!relay.awaitsAnswers)
  }

  @Test("one that leaves is forgotten")
  func leaves() {
    var relay = relay([(a, 11), (b, 12)])
    let goodbye = Header(.goodbye, run: 7, session: 11)
    #expect(relay.handle(.fromBelow(goodbye, byteCount: 0, a)) == [.handUp(a), .disconnect(a)])
    #expect(relay.handle(.parameters) == [.pass(b, session: 12)] && !relay.awaitsAnswers)
  }

  @Test("those behind it that do not answer are given up", arguments: [false, true])
  func silentAtTheEnd(_ isHeard: Bool) {
    var relay = relay([(a, 11)])
    _ = relay.handle(.over(reason: nil))
    let limits = Limits()
    let most = isHeard ? limits.shutdownTimeout : limits.silenceLimit
    for second in 0..<Int(most) {
      if isHeard { _ = relay.handle(.fromBelow(Header(.ping, run: 7, session: 11), byteCount: 0, a)) }
      #expect(relay.handle(.tick(Instant(nanoseconds: Int64(second) * 1_000_000_000))).isEmpty && relay.awaitsAnswers)
    }
    let end = Instant(nanoseconds: Int64((most + 1) * 1e9))
    #expect(relay.handle(.tick(end)) == [.disconnect(a)] && !relay.awaitsAnswers)
  }

  @Test("messages that do not fit are not added")
  func ignoresWhatDoesNotFit() {
    var relay = relay([(a, 11), (b, 12)])
    _ = assign(&relay, 0..<2, a, 11)
    #expect(push(&relay, 1..<3, a, 11).isEmpty, "no node")
    #expect(push(&relay, 0..<2, a, 12).isEmpty, "another's session")
    #expect(push(&relay, 0..<2, a, 11, chunk: 7).isEmpty, "no chunk")
    #expect(push(&relay, 2..<4, a, 11).isEmpty, "leaves that nobody here was assigned")
    let short = Header(.push, run: 7, session: 11, leaves: 0..<2, task: .train)
    #expect(relay.handle(.fromBelow(short, byteCount: 4, a)).isEmpty, "another size")
    #expect(
      relay.handle(.fromBelow(Header(.ping, run: 9, session: 9), byteCount: 0, c)) == [.lose(c, run: 9, session: 9)])
    #expect(relay.handle(.fromBelow(Header(.goodbye, run: 9, session: 9), byteCount: 0, c)).isEmpty)
  }
}
