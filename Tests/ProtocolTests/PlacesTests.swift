import Schema
import Testing

@testable import Protocol
@testable import Reduction

/// Where members of a chain or tree join.
@Suite struct PlacesTests {
  private typealias Peer = CoordinatorMachine.Peer

  /// A coordinator, and members that come and are told their places.
  private struct Arrivals: ~Copyable {
    var machine: CoordinatorMachine
    var now = Instant(nanoseconds: 0)
    var warnings: [String] = []
    /// The address where each member was last told to join, by name.
    var places: [String: String] = [:]
    private var lastPeer: UInt64 = 0

    init(_ topology: Topology, awaited: Int = 0) {
      machine = CoordinatorMachine(
        CoordinatorMachine.Configuration(
          run: 7, plan: StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2)),
          chunks: ChunkLayout(parameterCount: 3, size: 2), fingerprint: "d", layout: ParameterLayout(),
          numerics: .simulated, awaitedWorkers: awaited, topology: topology, metrics: .loss))
      handle(.started)
    }

    mutating func handle(_ event: CoordinatorMachine.Event) {
      for action in machine.handle(event, at: now) {
        switch action {
        case .report(.warning(let text)): warnings.append(text)
        case .send(_, .ways(let ways), let peer) where ways.moves:
          places[names[peer]!] = ways.alternatives.first?.address
        default: break
        }
      }
    }

    private var names: [Peer: String] = [:]

    /// A member comes by the relay of another one, or to the coordinator. Its relay's number is its name's.
    mutating func come(_ name: Int, by relay: Int? = nil, listens: Bool = true) {
      lastPeer += 1
      let peer = Peer(id: lastPeer)
      names[peer] = "w\(name)"
      let offer = listens ? RelayOffer(id: UInt64(name), address: "tcp://w\(name)", key: nil) : nil
      handle(
        .received(
          Header(.hello),
          .hello(Hello(name: "w\(name)", threads: 1, relay: offer, via: relay.map { via(UInt64($0)) })), from: peer))
      guard let session = machine.members[peer]?.session else { return }
      let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
      handle(.received(Header(.ready, run: 7, session: session), .ready(ready), from: peer))
    }

    /// The relays from one on to the coordinator.
    private func via(_ relay: UInt64) -> [UInt64] {
      var via: [UInt64] = []
      var next = machine.members.first { $0.value.relay?.id == relay }?.key
      while let peer = next, let member = machine.members[peer] {
        via.append(member.relay!.id)
        next = member.parent
      }
      return via
    }

    mutating func pass(seconds: Double) {
      now = now.advanced(by: seconds)
      for (peer, member) in machine.members {
        handle(.received(Header(.pong, run: 7, session: member.session), .none, from: peer))
      }
      handle(.tick)
    }

    /// A member sends a message about a node of the first step.
    ///
    /// - Returns: the chunks that are updated then.
    mutating func send(
      _ kind: MessageKind, _ content: CoordinatorMachine.Content, of leaves: Range<Int>, by name: String,
      weight: Double = 0
    ) -> [Int] {
      let (peer, member) = machine.members.first { $0.value.name == name }!
      let header = Header(
        kind, run: 7, session: member.session, leaves: UInt32(leaves.lowerBound)..<UInt32(leaves.upperBound),
        task: .train, weight: weight)
      return machine.handleAnswering(.received(header, content, from: peer), at: now).compactMap {
        if case .update(let chunk, _, _) = $0 { chunk } else { nil }
      }
    }

    var settled: [String] { machine.members.values.filter(\.isSettled).map(\.name).sorted() }
  }

  @Test func aChainIsOneMemberBehindTheOther() {
    var arrivals = Arrivals(.chain)
    arrivals.come(1)
    #expect(arrivals.places.isEmpty && arrivals.settled == ["w1"])
    arrivals.come(2)
    arrivals.come(3)
    #expect(arrivals.places == ["w2": "tcp://w1"], "the third waits for the second")
    arrivals.come(2, by: 1)
    #expect(arrivals.places == ["w2": "tcp://w1", "w3": "tcp://w2"])
    arrivals.come(3, by: 2)
    #expect(arrivals.settled == ["w1", "w2", "w3"] && arrivals.warnings.isEmpty)
  }

  @Test("a chunk is updated before a member's METRICS have come, which are behind all of its PUSHes")
  func weightsComeFirst() {
    var alone = Arrivals(.tree(2))
    alone.come(1)
    #expect(alone.send(.push, .gradient(byteCount: 8), of: 0..<4, by: "w1", weight: 8) == [0])

    var arrivals = Arrivals(.chain, awaited: 2)
    arrivals.come(1)
    arrivals.come(2)
    arrivals.come(2, by: 1)
    let leaves = ["w1", "w2"].map { name in arrivals.machine.members.values.first { $0.name == name }!.leaves }
    #expect(leaves.map(\.count) == [2, 2])
    // The relay hands the weight on, and pushes the sum of both.
    #expect(arrivals.send(.push, .gradient(byteCount: 0), of: leaves[1], by: "w2", weight: 4).isEmpty)
    #expect(arrivals.send(.push, .gradient(byteCount: 8), of: 0..<4, by: "w1").isEmpty)
    #expect(arrivals.send(.metrics, .metrics(NodeMetrics(examples: 4)), of: leaves[0], by: "w1") == [0])
    #expect(arrivals.machine.members.count == 2)
    // What a node weighs does not change.
    _ = arrivals.send(.push, .gradient(byteCount: 0), of: leaves[1], by: "w2", weight: 3)
    #expect(arrivals.machine.members.count == 1)
  }

  @Test func aTreeIsFilledFromTheCoordinatorOn() {
    var arrivals = Arrivals(.tree(2))
    for name in 1...2 { arrivals.come(name) }
    #expect(arrivals.places.isEmpty && arrivals.settled == ["w1", "w2"])
    for (name, relay) in [(3, 1), (4, 2), (5, 1), (6, 2), (7, 3)] {
      arrivals.come(name)
      #expect(arrivals.places["w\(name)"] == "tcp://w\(relay)")
      arrivals.come(name, by: relay)
    }
    #expect(arrivals.settled.count == 7 && arrivals.warnings.isEmpty)
  }

  @Test func oneThatDoesNotReachItsRelayIsSentElsewhere() {
    var arrivals = Arrivals(.chain)
    arrivals.come(1)
    arrivals.come(2)
    arrivals.come(2)
    #expect(arrivals.warnings == ["w2 does not reach w1 at tcp://w1: it takes another place", stays("w2")])
    #expect(arrivals.settled == ["w1", "w2"])
  }

  private func stays(_ name: String) -> String {
    "\(name) stays with the coordinator, because no worker with --bind has room behind it: they are no chain"
  }

  @Test func whereNobodyListensAllStayAndItIsSaidOnce() {
    var arrivals = Arrivals(.chain)
    for name in 1...3 { arrivals.come(name, listens: false) }
    #expect(arrivals.settled == ["w1", "w2", "w3"] && arrivals.warnings == [stays("w2")])
  }

  @Test func oneThatDoesNotArriveIsNotWaitedForForEver() {
    var arrivals = Arrivals(.chain)
    arrivals.come(1)
    arrivals.come(2)
    arrivals.come(3)
    #expect(arrivals.settled == ["w1"])
    for _ in 0..<11 { arrivals.pass(seconds: 1) }
    #expect(arrivals.places["w3"] == "tcp://w1")
  }

  @Test func pacesAreMeasuredAnewWhenSomebodyComesBehindAnother() {
    // Before, they count how long messages take, which says nothing of one whose sums wait for others'.
    var arrivals = Arrivals(.chain)
    arrivals.come(1)
    let first = arrivals.machine.members.keys.first!
    arrivals.machine.members[first]!.paces[true] = Pace()
    arrivals.come(2)
    #expect(arrivals.machine.members[first]!.paces.count == 1)
    arrivals.come(2, by: 1)
    #expect(arrivals.machine.members[first]!.paces.isEmpty)
  }

  @Test func aPlaceIsFreeWhenItsMemberIsGone() {
    var arrivals = Arrivals(.chain)
    arrivals.come(1)
    arrivals.come(2)
    arrivals.come(2, by: 1)
    let first = arrivals.machine.members.first { $0.value.name == "w1" }!.key
    arrivals.handle(.unreachable(first))
    #expect(arrivals.settled.isEmpty, "who came by it has left with it")
    arrivals.come(2)
    #expect(arrivals.settled == ["w2"])
    arrivals.come(1)
    #expect(arrivals.places["w1"] == "tcp://w2")
  }

  @Test func aStartedRelaysEndTakesThoseBehindItWithIt() {
    var arrivals = Arrivals(.chain, awaited: 2)
    arrivals.come(1)
    arrivals.come(2, by: 1)
    #expect(arrivals.settled == ["w1", "w2"])
    arrivals.handle(.processEnded(name: "w1", "killed by signal 9", isReplaced: false))
    #expect(arrivals.machine.members.isEmpty && arrivals.machine.isOver == false, "w2 may come back")
    arrivals.come(2)
    #expect(arrivals.settled == ["w2"])
  }

  @Test func whoComesAfterTheEndIsToldSo() {
    var arrivals = Arrivals(.mesh)
    _ = arrivals.machine.handle(.failed("the reason"), at: Instant(nanoseconds: 0))
    let hello = CoordinatorMachine.Event.received(
      Header(.hello), .hello(Hello(name: "w", threads: 1)), from: Peer(id: 9))
    var answers: [String?] = []
    for case .send(let header, .reason(let reason), _) in arrivals.machine.handle(hello, at: Instant(nanoseconds: 0)) {
      #expect(header.kind == .goodbye && header.run == 0 && header.session == 0)
      answers.append(reason)
    }
    #expect(answers == ["the reason"])
  }

  @Test(arguments: ["star", "mesh", "chain", "tree:2", "tree:1024"])
  func aTopologyIsReadAsItIsWritten(_ text: String) {
    #expect(Topology(text)?.description == text)
  }

  @Test(arguments: ["", "ring", "tree", "tree:", "tree:1", "tree:1025", "tree:x", "tree:-2", "Mesh"])
  func whatIsNoTopologyIsNotRead(_ text: String) {
    #expect(Topology(text) == nil)
  }
}
