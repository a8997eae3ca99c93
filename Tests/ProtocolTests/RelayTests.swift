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
}
