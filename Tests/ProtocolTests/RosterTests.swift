import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// The members as people see them.
@Suite struct RosterTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let start = Instant(nanoseconds: 0)

  private func machine() -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(2)),
        chunks: ChunkLayout(parameterCount: 2, size: 2), fingerprint: "d", layout: ParameterLayout(),
        numerics: .simulated, awaitedWorkers: 0, metrics: .loss))
    _ = machine.handle(.started, at: start)
    return machine
  }

  private func hello(_ machine: inout CoordinatorMachine, _ peer: Peer) -> UInt64 {
    _ = machine.handle(
      .received(Header(.hello), .hello(Hello(name: "host/\(peer.id)", threads: 2)), from: peer), at: start)
    return machine.members[peer]!.session
  }

  private func ready(_ machine: inout CoordinatorMachine, _ peer: Peer, _ session: UInt64) {
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
    _ = machine.handle(.received(Header(.ready, run: 7, session: session), .ready(ready), from: peer), at: start)
  }

  /// The worker finishes the leaves `node`, having computed for `seconds` on its threads together.
  private func finish(
    _ machine: inout CoordinatorMachine, _ peer: Peer, _ session: UInt64, _ node: Range<UInt32>, seconds: Double,
    at now: Instant
  ) -> [CoordinatorMachine.Action] {
    _ = machine.handle(
      .received(
        Header(.push, run: 7, session: session, leaves: node, task: .train, weight: Double(2 * node.count)),
        .gradient(byteCount: 8), from: peer), at: now)
    var metrics = NodeMetrics(
      examples: Int64(2 * node.count), weight: Double(2 * node.count), sums: [1], computeSeconds: seconds)
    metrics.flaw = nil
    return machine.handle(
      .received(Header(.metrics, run: 7, session: session, leaves: node, task: .train), .metrics(metrics), from: peer),
      at: now)
  }

  @Test("what each has done is counted: leaves, seconds with leaves, seconds of computing")
  func counts() throws {
    var machine = machine()
    let (first, second) = (Peer(id: 1), Peer(id: 2))
    let session = hello(&machine, first)
    _ = hello(&machine, second)
    ready(&machine, first, session)
    var roster = machine.roster(at: start.advanced(by: 1))
    #expect(roster.map(\.name) == ["host/1", "host/2"] && roster.map(\.state) == [.busy, .loading])
    #expect(roster[0].assignedSeconds == 1 && roster[0].silence == 1 && roster[1].number == 0)
    #expect(machine.presentTopology == .star)
    let actions = finish(&machine, first, session, 0..<4, seconds: 3, at: start.advanced(by: 2))
    roster = machine.roster(at: start.advanced(by: 2))
    #expect(roster[0].finishedLeaves == 4 && roster[0].assignedSeconds == 2 && roster[0].computedSeconds == 1.5)
    let checked = machine.handle(.checked(chunk: 0, nonFinite: nil), at: start.advanced(by: 2))
    let updated = machine.handle(.updated(chunk: 0, nonFinite: nil), at: start.advanced(by: 3))
    let reports = (actions + checked + updated).compactMap { action -> StepReport? in
      if case .report(.step(let report)) = action { report } else { nil }
    }
    let part = try #require(reports.first?.computeSeconds.first)
    #expect(part.worker == 1 && part.seconds == 3 && part.from == 0 && part.to == 2)
  }

  @Test("leaves of a worker that leaves are counted as taken from it")
  func reassigned() {
    var machine = machine()
    let peer = Peer(id: 1)
    ready(&machine, peer, hello(&machine, peer))
    #expect(machine.reassignedLeaves == 0)
    _ = machine.handle(.unreachable(peer), at: start)
    #expect(machine.reassignedLeaves == 4 && machine.roster(at: start).isEmpty)
  }
}
