import Foundation
import Synchronization
import Testing

@testable import ZeroMQ

@Suite struct CurveTests {
  /// What was told by other threads.
  private final class Told<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])
    private let changed = DispatchSemaphore(value: 0)

    func add(_ item: Item) {
      items.withLock { $0.append(item) }
      changed.signal()
    }

    var all: [Item] { items.withLock { $0 } }

    /// Waits up to ten seconds for one for which `condition` holds.
    func contains(where condition: (Item) -> Bool) -> Bool {
      while !all.contains(where: condition) {
        guard changed.wait(timeout: .now() + 10) == .success else { return false }
      }
      return true
    }
  }

  private let context = Context()
  private let server: CurveKeyPair
  private let client: CurveKeyPair

  init() throws {
    server = try .random()
    client = try .random()
  }

  private func listening() throws -> (socket: Socket, address: String) {
    let socket = try Socket(context, .router)
    try socket.secure(asServer: server)
    try socket.set(.linger(milliseconds: 0))
    try socket.bind("tcp://127.0.0.1:*")
    return (socket, try socket.lastEndpoint)
  }

  private func dealer(_ pair: CurveKeyPair?, of key: CurveKey, _ address: String) throws -> Socket {
    let socket = try Socket(Context(), .dealer)
    try socket.set(.linger(milliseconds: 0))
    if let pair { try socket.secure(asClient: pair, of: key) }
    try socket.connect(address)
    try socket.send("hello".utf8CString.dropLast().withUnsafeBytes { Message(copying: $0) })
    return socket
  }

  @Test func keysAreReadAsTheyAreWritten() throws {
    let again = try #require(CurveKeyPair(secretBase64: client.secretBase64))
    #expect(again.publicKey == client.publicKey)
    #expect(CurveKey(base64: "\(client.publicKey)") == client.publicKey)
    #expect(client.publicKey != server.publicKey)
    #expect(CurveKey(base64: "AAAA") == nil && CurveKey(base64: "no key") == nil && CurveKey(base64: "") == nil)
    #expect(CurveKeyPair(secretBase64: "AAAA") == nil)
  }

  @Test func aPairNeverPrintsItsSecret() throws {
    var dumped = ""
    dump(client, to: &dumped)
    for text in ["\(client)", String(reflecting: client), dumped] {
      #expect(!text.contains(client.secretBase64))
      #expect(text.contains("\(client.publicKey)"))
    }
  }

  @Test func whoIsAdmittedComesInAndNobodyElse() throws {
    let asked = Told<(CurveKey, String)>()
    let gatekeeper = try Gatekeeper(context) { [client] key, address in
      asked.add((key, address))
      return key == client.publicKey
    }
    let (socket, address) = try listening()
    let stranger = try CurveKeyPair.random()
    let refused = Told<HandshakeFailure>()
    let outside = Context()
    let strange = try Socket(outside, .dealer)
    try strange.secure(asClient: stranger, of: server.publicKey)
    try strange.set(.linger(milliseconds: 0))
    let monitor = try HandshakeMonitor(strange, of: outside) { refused.add($0) }
    try strange.connect(address)
    #expect(asked.contains { $0.0 == stranger.publicKey && $0.1 == "127.0.0.1" })
    #expect(refused.contains { $0.reason == .refused })
    let friend = try dealer(client, of: server.publicKey, address)
    var poller = Poller(socket, Waker())
    try poller.wait(milliseconds: 10_000)
    let received = try #require(try socket.receiveFrames(limit: 3))
    #expect(received.frames[1].bytes.elementsEqual("hello".utf8))
    #expect(try socket.receiveFrames(limit: 3) == nil)
    withExtendedLifetime((gatekeeper, monitor, friend)) {}
  }

  @Test(
    "what does not fit is told", arguments: [HandshakeFailure.Reason.otherMechanism, .malformed])
  func whatDoesNotFitIsTold(_ reason: HandshakeFailure.Reason) throws {
    let gatekeeper = try Gatekeeper(context) { _, _ in true }
    let told = Told<HandshakeFailure>()
    let socket = try Socket(context, .router)
    let monitor = try HandshakeMonitor(socket, of: context) { told.add($0) }
    try socket.secure(asServer: server)
    try socket.bind("tcp://127.0.0.1:*")
    let peer =
      reason == .otherMechanism
      ? try dealer(nil, of: server.publicKey, socket.lastEndpoint)
      : try dealer(client, of: client.publicKey, socket.lastEndpoint)
    // One without keys gives up at once, perhaps before its address can be looked up.
    #expect(told.contains { reason == .otherMechanism || $0.peer == "127.0.0.1" }, "\(told.all)")
    #expect(try socket.receiveFrames(limit: 3) == nil)
    withExtendedLifetime((gatekeeper, monitor, peer)) {}
  }
}
