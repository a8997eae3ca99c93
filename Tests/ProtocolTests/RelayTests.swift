import Reduction
import Schema
import Testing

@testable import Protocol

/// A member as relay, and routes at both machines.
@Suite struct RelayTests {
  private static let plan = StepPlan(trainCount: 64, testCount: 0, batchSize: 16, microBatches: 4, length: .steps(3))
  private static let chunks = ChunkLayout(parameterCount: 5, size: 2)

  @Test func aRelayAnswersMembersAndPushesRoots() {
    var relay = RelayMachine(Self.plan, Self.chunks)
    let routes = Routes(
      number: 1,
      relays: [
        Routes.Relay(address: "a", key: nil, ticket: 11), Routes.Relay(address: "b", key: nil, ticket: 12),
      ], own: 1)
    let peer = RelayMachine.Peer(id: 5)
    #expect(relay.handle(.routes(routes, run: 7)) == [.clear])
    let ping = Header(.ping, run: 7, session: 12)
    #expect(
      relay.handle(.received(ping, byteCount: 0, from: peer)) == [
        .pong(Header(.pong, run: 7, session: 12), to: peer)
      ])
    #expect(relay.peers == [peer])
    let beside = RelayMachine.Peer(id: 6)
    let other = Header(.ping, run: 7, session: 12, chunk: 1)
    #expect(relay.handle(.received(other, byteCount: 0, from: beside)).count == 1)
    #expect(relay.peers == [peer], "parameters do not go to who gets them from the coordinator")
    func push(_ leaves: Range<UInt32>) -> [RelayMachine.Action] {
      relay.handle(
        .received(
          Header(.push, run: 7, session: 12, step: 0, leaves: leaves, chunk: 1, task: .train), byteCount: 8,
          from: peer))
    }
    #expect(push(2..<4) == [.clear, .keep(Node(2..<4), chunk: 1)])
    #expect(
      relay.handle(.own(Node(0..<2), step: 0, chunk: 1)) == [
        .keep(Node(0..<2), chunk: 1), .combine(left: Node(0..<2), right: Node(2..<4), chunk: 1),
        .push(Node(0..<4), step: 0, chunk: 1),
      ])
    #expect(push(2..<4) == [])
  }

  @Test("a member that new routes leave out stays a relay until tasks use them")
  func staysARelay() {
    var worker = WorkerMachine.ready(Self.plan, Self.chunks)
    let now = Instant(nanoseconds: 0)
    let (own, other) = (
      Routes.Relay(address: "tcp://a:1", key: nil, ticket: 11), Routes.Relay(address: "tcp://b:1", key: nil, ticket: 12)
    )
    func served(_ routes: Routes) -> Int? {
      let actions = worker.handle(.received(Header(.routes, run: 7, session: 1), .routes(routes)), at: now)
      for case .setRelay(let routes, _) in actions { return routes?.own }
      return nil
    }
    #expect(served(Routes(number: 1, relays: [own, other], own: 0)) == 0)
    #expect(served(Routes(number: 2, relays: [other, other])) == 0)
  }

  @Test("a member tells relays whether it needs parameters of them", arguments: [false, true])
  func besideTheCoordinator(isBeside: Bool) {
    var worker = WorkerMachine.ready(Self.plan, Self.chunks)
    let relay = Routes.Relay(address: "tcp://b:1", key: nil, ticket: 12)
    let routes = Routes(number: 1, relays: [relay], isBeside: isBeside)
    let actions = worker.handle(
      .received(Header(.routes, run: 7, session: 1), .routes(routes)), at: Instant(nanoseconds: 0))
    let pings = actions.compactMap { if case .sendToRelay(let header, _, 12) = $0 { header.chunk } else { nil } }
    #expect(pings == [isBeside ? 1 : 0])
  }
}

/// A coordinator, and members that offer to be relays and do as they are told.
private struct RelayedRun: ~Copyable {
  static let chunks = ChunkLayout(parameterCount: 4, size: 2)
  let plan = StepPlan(trainCount: 160, testCount: 0, batchSize: 16, microBatches: 4, length: .steps(1000))
  var machine: CoordinatorMachine
  var now = Instant(nanoseconds: 0)
  /// What the coordinator has sent to each member since the last look.
  var sent: [CoordinatorMachine.Peer: [(header: Header, body: CoordinatorMachine.Body)]] = [:]
  private(set) var routes: [CoordinatorMachine.Peer: Routes] = [:]
  let peers: [CoordinatorMachine.Peer]

  /// All members reach each other, and the first step, which went to the coordinator, is done.
  ///
  /// - Parameter addressOfCoordinator: with the number of the member that is on its machine as the host.
  init(members: Int, addressOfCoordinator: String? = nil) {
    peers = (0..<members).map { CoordinatorMachine.Peer(id: UInt64($0)) }
    machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: Self.chunks, fingerprint: "d", layout: ParameterLayout(), numerics: .simulated,
        awaitedWorkers: members, metrics: .loss,
        ways: addressOfCoordinator.map { [Ways.Alternative(address: $0, key: nil)] } ?? []))
    handle(.started)
    for peer in peers {
      let hello = Hello(name: "\(peer.id)", threads: 1, relay: RelayOffer(address: "tcp://\(peer.id):1", key: nil))
      handle(.received(Header(.hello), .hello(hello), from: peer))
      receive(.ready, .ready(Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)), from: peer)
    }
    for peer in peers { receive(.linked, .none, from: peer, chunk: routes[peer]!.number) }
    for peer in peers { compute(peer) }
  }

  mutating func handle(_ event: CoordinatorMachine.Event) {
    for case .send(let header, let body, let peer) in machine.handleAnswering(event, at: now) {
      sent[peer, default: []].append((header, body))
      if case .routes(let routes) = body { self.routes[peer] = routes }
    }
  }

  mutating func receive(
    _ kind: MessageKind, _ content: CoordinatorMachine.Content, from peer: CoordinatorMachine.Peer, chunk: Int = 0,
    step: Int = 0, leaves: Range<Int> = 0..<0, task: TaskKind = .train, weight: Double = 0
  ) {
    let header = Header(
      kind, run: 7, session: machine.members[peer]?.session ?? 0, step: UInt64(step),
      leaves: UInt32(leaves.lowerBound)..<UInt32(leaves.upperBound), chunk: UInt32(chunk), task: task, weight: weight)
    handle(.received(header, content, from: peer))
  }

  /// What a member was sent since the last look, without PINGs.
  mutating func take(_ peer: CoordinatorMachine.Peer) -> [Header] {
    (sent.removeValue(forKey: peer) ?? []).map(\.header).filter { $0.kind != .ping }
  }

  /// The leaves that a member has to compute.
  func leaves(_ peer: CoordinatorMachine.Peer) -> Range<Int>? {
    machine.members[peer].flatMap { $0.state == .busy ? $0.leaves : nil }
  }

  /// A member says that its leaves are done. Its sums go to the coordinator or, with routes, nowhere yet.
  mutating func compute(_ peer: CoordinatorMachine.Peer, computeSeconds: Double = 0) {
    guard let leaves = leaves(peer), let work = machine.work else { return }
    for node in work.tree.maximalNodes(in: leaves) {
      if work.routes == nil {
        for chunk in Self.chunks.indices {
          receive(
            .push, .gradient(byteCount: 8), from: peer, chunk: chunk, step: work.task.step, leaves: node.leaves,
            weight: Double(4 * node.leaves.count))
        }
      }
      var metrics = NodeMetrics(examples: Int64(4 * node.leaves.count))
      metrics.computeSeconds = computeSeconds
      receive(.metrics, .metrics(metrics), from: peer, step: work.task.step, leaves: node.leaves)
    }
  }

  /// The relays push the roots.
  mutating func pushRoots() {
    guard let work = machine.work, let table = work.routes else { return }
    for chunk in Self.chunks.indices {
      receive(
        .push, .gradient(byteCount: 8), from: table.relay(ofChunk: chunk)!, chunk: chunk, step: work.task.step,
        leaves: work.tree.root.leaves)
    }
  }

  /// Lets time pass in which all members answer.
  mutating func wait(seconds: Double) {
    for _ in 0..<Int(seconds / 0.5) {
      now = now.advanced(by: 0.5)
      for peer in peers { receive(.ping, .none, from: peer) }
      handle(.tick)
    }
  }
}

@Suite struct RelayedStepTests {
  @Test("a member on the coordinator's machine is no relay where three others are", arguments: [3, 4])
  func whoIsBesideTheCoordinatorIsNoRelay(_ members: Int) {
    let run = RelayedRun(members: members, addressOfCoordinator: "tcp://0:5555")
    #expect(run.machine.routes?.slots.contains(run.peers[0]) == (members == 3))
    #expect(run.machine.routes?.linked.count == members, "it uses them")
    #expect(run.peers.map { run.routes[$0]?.isBeside } == run.peers.map { $0 == run.peers[0] })
  }

  @Test func whoIsBesideTheCoordinatorGetsAllParametersFromIt() {
    var run = RelayedRun(members: 2, addressOfCoordinator: "tcp://0:5555")
    let (beside, apart) = (run.peers[0], run.peers[1])
    for peer in run.peers { run.compute(peer) }
    _ = run.take(beside)
    _ = run.take(apart)
    run.pushRoots()
    func chunks(_ peer: CoordinatorMachine.Peer, _ kind: MessageKind) -> [UInt32] {
      run.sent[peer, default: []].filter { $0.header.kind == kind }.map(\.header.chunk)
    }
    #expect(chunks(apart, .parameters).isEmpty && chunks(apart, .pass) == [1])
    #expect(chunks(beside, .parameters) == [1] && chunks(beside, .pass) == [0])
  }

  @Test func missingChunksComeWithTheAssignmentAgain() {
    var run = RelayedRun(members: 2)
    let (late, leaves) = (run.peers[1], run.leaves(run.peers[1]))
    #expect(run.machine.step == 1 && run.machine.work?.routes != nil && leaves != nil)
    _ = run.take(late)
    run.receive(.missing, .missing(MissingChunks(chunks: [0])), from: late, step: 1)
    let sent = run.take(late)
    #expect(sent.map(\.kind) == [.parameters, .assign] && sent.map(\.step) == [1, 1] && sent[0].chunk == 0)
    #expect(sent.last?.leafRange == leaves)
  }

  @Test("relays that do not deliver are used again after 30 s, then after 60 s, then after 120 s")
  func relaysThatDoNotDeliver() {
    var run = RelayedRun(members: 2)
    for pause in [30.0, 60, 120] {
      let number = run.machine.routes?.number
      #expect(run.machine.work?.routes?.number == number && number != nil)
      let nodes = run.peers.map { (peer: $0, leaves: run.leaves($0)!) }
      for peer in run.peers { run.compute(peer) }
      while run.machine.routes != nil && run.now < Instant(nanoseconds: 1_000_000_000_000) { run.wait(seconds: 0.5) }
      let start = run.now
      // What the relays have not passed on is pushed again, so that the step ends.
      for (peer, leaves) in nodes {
        for chunk in RelayedRun.chunks.indices {
          run.receive(
            .push, .gradient(byteCount: 8), from: peer, chunk: chunk, step: run.machine.step, leaves: leaves,
            weight: Double(4 * leaves.count))
        }
      }
      for _ in 0..<Int(pause) - 1 {
        run.wait(seconds: 1)
        for peer in run.peers { run.compute(peer) }
      }
      #expect(run.peers.allSatisfy { run.routes[$0]!.relays.allSatisfy { $0 == nil } }, "\(pause) s")
      run.wait(seconds: 2)
      #expect(run.peers.allSatisfy { run.routes[$0]!.relays.allSatisfy { $0 != nil } }, "\(pause) s")
      #expect(run.now.seconds(since: start) < pause + 2)
      for peer in run.peers { run.receive(.linked, .none, from: peer, chunk: run.routes[peer]!.number) }
      for peer in run.peers { run.compute(peer) }
    }
  }

  @Test("a member whose leaves others have computed gets other ones, and stays")
  func anOvertakenMemberGoesOn() {
    var run = RelayedRun(members: 2)
    let (other, late) = (run.peers[0], run.peers[1])
    run.compute(other)
    run.wait(seconds: 1)
    // It is late, so the other one computes its leaves too.
    #expect(run.leaves(other) == run.leaves(late))
    run.compute(other)
    _ = run.take(late)
    run.receive(.missing, .missing(MissingChunks(chunks: [0])), from: late, step: 1)
    #expect(run.take(late).isEmpty && run.machine.members[late]?.state == .idle)
    run.pushRoots()
    #expect(run.machine.step == 2)
    let sent = run.take(late)
    // What it lacks comes from the coordinator.
    #expect(sent.last?.kind == .assign && sent.last?.step == 2)
    #expect(run.machine.activeCount == 2)
  }

  @Test("noise in short computing changes no cut where relays are used; a much slower worker gets less")
  func cutsOfRelayedSteps() {
    for (seconds, isEven) in [([0.01, 0.03], true), ([0.1, 2], false)] {
      var run = RelayedRun(members: 2)
      for _ in 0..<4 {
        run.now = run.now.advanced(by: 2)
        for (peer, seconds) in zip(run.peers, seconds) { run.compute(peer, computeSeconds: seconds) }
        run.pushRoots()
      }
      let counts = run.peers.map { run.leaves($0)?.count ?? 0 }
      #expect((counts == [2, 2]) == isEven, "\(counts)")
    }
  }
}
