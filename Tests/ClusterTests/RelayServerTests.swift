import Foundation
import Kernels
import Reduction
import Testing

@testable import Cluster
@testable import Protocol
@testable import ZeroMQ

/// A member's relay, and what others send to it.
@Suite(.timeLimit(.minutes(1))) struct RelayServerTests {
  private static let plan = StepPlan(trainCount: 64, testCount: 0, batchSize: 16, microBatches: 4, length: .steps(3))
  private static let chunks = ChunkLayout(parameterCount: 4, size: 2)
  private static let routes = Routes(
    number: 1, relays: [Routes.Relay(address: "tcp://127.0.0.1:1", key: nil, ticket: 12), nil], own: 0)

  private let context = Context()
  private let relay: RelayServer
  private let member: Socket

  init() throws {
    let settings = RelaySettings(binding: "tcp://127.0.0.1:0", security: nil) { $0 }
    let context = context
    relay = try RelayServer(context, settings, Limits()) {
      try Socket(context, .dealer)
    } warn: { _ in
    }
    try relay.load(Self.plan, Self.chunks, .stop)
    try relay.handle(.routes(Self.routes, run: 7))
    member = try Socket(context, .dealer)
    try member.set(.linger(milliseconds: 0))
    try member.connect(relay.offer.address)
  }

  private func push(_ values: [Float], _ leaves: Range<UInt32>, ticket: UInt64 = 12) throws {
    let header = Header(.push, run: 7, session: ticket, leaves: leaves, task: .train)
    try member.send(header, values.withUnsafeBytes { Message(copying: $0) })
  }

  /// Lets the relay handle the next messages of the member.
  private func receive(_ count: Int) throws -> [RelaySums.Push] {
    var pushes: [RelaySums.Push] = []
    var poller = Poller(relay.socket, Waker())
    for _ in 0..<count {
      var received = try relay.receive()
      while received == nil {
        try poller.wait(milliseconds: 1000)
        received = try relay.receive()
      }
      pushes += try relay.handle(received!)
    }
    return pushes
  }

  @Test func sumsOfOthersAndItsOwnBecomeTheRoot() throws {
    try push([1, 2], 2..<3)
    try push([4, 8], 3..<4)
    #expect(try receive(2).isEmpty)
    let own = FloatBuffer(count: 2)
    own.all.fill(16)
    let pushes = try relay.add(own.values, of: Node(0..<2), step: 0, chunk: 0)
    try #require(pushes.count == 1)
    #expect(pushes[0].node == Node(0..<4) && pushes[0].step == 0 && pushes[0].chunk == 0)
    #expect(floats(pushes[0].sum) == [21, 26])
    #expect(floats(own) == [16, 16], "the gradient may have to be pushed again")
  }

  @Test("sums that are not finite, of strangers or of other chunks are left out")
  func unusable() throws {
    try push([1, .nan], 2..<4)
    try push([1, 2], 2..<4, ticket: 13)
    try push([1, 2, 3], 2..<4)
    try member.send(Message(copying: UnsafeRawBufferPointer(start: nil, count: 0)))
    try push([1, 2], 2..<4)
    #expect(try receive(5).isEmpty)
    let own = FloatBuffer(count: 2)
    own.all.fill(16)
    let pushes = try relay.add(own.values, of: Node(0..<2), step: 0, chunk: 0)
    #expect(pushes.map { floats($0.sum) } == [[17, 18]])
  }

  @Test("parameters are passed on to those that have a ticket")
  func parametersArePassedOn() throws {
    try member.send(Header(.ping, run: 7, session: 12), nil)
    let stranger = try Socket(context, .dealer)
    try stranger.set(.linger(milliseconds: 0))
    try stranger.connect(relay.offer.address)
    try stranger.send(Header(.ping, run: 7, session: 13), nil)
    _ = try receive(2)
    let chunk: [Float] = [3, 4]
    try relay.passOn(
      Header(.pass, run: 7, session: 1, step: 2, sharedSlot: 3), chunk.withUnsafeBytes { Message(copying: $0) })
    var poller = Poller(member, Waker())
    var headers: [Header] = []
    while headers.count < 2 {
      try poller.wait(milliseconds: 1000)
      while let received = try member.receiveFrames(limit: 2) {
        headers.append(try Frames(received.frames[...], total: received.total).header)
      }
    }
    #expect(headers.map(\.kind) == [.pong, .parameters])
    #expect(headers[1] == Header(.parameters, run: 7, session: 12, step: 2, payloadLength: 8))
    // Its session is none that the relay knows.
    var answers: [MessageKind] = []
    while let received = try stranger.receiveFrames(limit: 2) {
      answers.append(try Frames(received.frames[...], total: received.total).header.kind)
    }
    #expect(answers == [.lost])
  }
}

private func floats(_ buffer: FloatBuffer) -> [Float] { buffer.values.indices.map { buffer.values[$0] } }
