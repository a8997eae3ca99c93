import Foundation
import Testing

@testable import ZeroMQ

@Suite struct SocketTests {
  private let context = Context()

  private func router() throws -> (socket: Socket, address: String) {
    let socket = try Socket(context, .router)
    try socket.set(.reportsGonePeers)
    try socket.bind("tcp://127.0.0.1:*")
    return (socket, try socket.lastEndpoint)
  }

  private func dealer(_ address: String) throws -> Socket {
    let socket = try Socket(context, .dealer)
    try socket.set(.linger(milliseconds: 0))
    try socket.connect(address)
    return socket
  }

  private func message(_ text: String) -> Message {
    text.utf8CString.dropLast().withUnsafeBytes { Message(copying: $0) }
  }

  private func text(_ message: Message) -> String { String(decoding: message.bytes, as: UTF8.self) }

  /// The next message, within ten seconds.
  private func next(_ socket: Socket, limit: Int = 5) throws -> ReceivedFrames {
    let waker = Waker()
    var poller = Poller(socket, waker)
    let deadline = Date().addingTimeInterval(10)
    while Date() < deadline {
      if let received = try socket.receiveFrames(limit: limit) { return received }
      try poller.wait(milliseconds: 1000)
    }
    return try #require(nil as ReceivedFrames?, "no message within ten seconds")
  }

  @Test func messagesGoBothWaysFrameByFrame() throws {
    let (router, address) = try router()
    let dealer = try dealer(address)
    try dealer.send(message("head"), more: true)
    try dealer.send(message("payload"))
    let received = try next(router)
    #expect(received.total == 3 && received.frames.dropFirst().map(text) == ["head", "payload"])
    #expect(received.frames[0].count == 5, "ZeroMQ names a peer by five bytes")
    try router.send(received.frames[0], more: true)
    try router.send(message("answer"))
    #expect(try next(dealer).frames.map(text) == ["answer"])
    #expect(try dealer.receive() == nil, "nothing waits")
  }

  @Test func framesBeyondTheLimitAreCountedAndDropped() throws {
    let (router, address) = try router()
    let dealer = try dealer(address)
    for index in 0..<9 { try dealer.send(message("\(index)"), more: index < 8) }
    try dealer.send(message("next"))
    let long = try next(router, limit: 3)
    #expect(long.total == 10 && long.frames.dropFirst().map(text) == ["0", "1"])
    #expect(try next(router).frames.dropFirst().map(text) == ["next"])
  }

  @Test func aLentBufferIsKeptUntilItIsSent() throws {
    final class Owner {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
      let freed: DispatchSemaphore
      init(_ freed: DispatchSemaphore) {
        self.freed = freed
        bytes.initializeMemory(as: UInt8.self, repeating: 7)
      }
      deinit {
        bytes.deallocate()
        freed.signal()
      }
    }
    // Connected to an address where nobody listens yet: the message has to wait.
    let address = "ipc://\(FileManager.default.temporaryDirectory.path)/lockstep-\(UUID())"
    let dealer = try dealer(address)
    let freed = DispatchSemaphore(value: 0)
    var owner: Owner? = Owner(freed)
    #expect(try dealer.send(Message(lending: UnsafeRawBufferPointer(owner!.bytes), of: owner!)))
    owner = nil
    #expect(freed.wait(timeout: .now()) == .timedOut, "it has not been sent")
    let router = try Socket(context, .router)
    try router.bind(address)
    let payload = try next(router).frames[1]
    #expect(payload.count == 1 << 20 && payload.bytes.allSatisfy { $0 == 7 })
    #expect(freed.wait(timeout: .now() + 10) == .success)
  }

  @Test func errorsSayWhatWasTriedAndWhy() throws {
    let (first, address) = try router()
    defer { withExtendedLifetime(first) {} }
    let second = try Socket(context, .router)
    let inUse = #expect(throws: ZeroMQError.self) { try second.bind(address) }
    #expect(inUse?.isAddressInUse == true && inUse?.description == "cannot bind \(address): Address already in use")
    let invalid = #expect(throws: ZeroMQError.self) { try second.connect("nonsense") }
    #expect(invalid?.description == "cannot connect to nonsense: Invalid argument")
    try second.set(.reportsGonePeers)
    let gone = #expect(throws: ZeroMQError.self) { try second.send(message("nobody"), more: true) }
    #expect(gone?.isPeerGone == true)
  }

  @Test func aFullQueueRefusesAndLeavesTheMessageWhole() throws {
    let dealer = try Socket(context, .dealer)
    try dealer.set(.sendLimit(1))
    try dealer.set(.linger(milliseconds: 0))
    try dealer.connect("tcp://127.0.0.1:9")
    var refused: Message?
    for _ in 0..<10 where refused == nil {
      let message = message("text")
      if try !dealer.send(message) { refused = message }
    }
    #expect(refused.map(text) == "text")
  }

  @Test func aWakerEndsAWaitFromAnotherThreadAndIsCleared() throws {
    let (router, _) = try router()
    let waker = Waker()
    var poller = Poller(router, waker)
    Thread.detachNewThread { for _ in 0..<1000 { waker.wake() } }
    let start = Date()
    try poller.wait(milliseconds: 10_000)
    #expect(Date().timeIntervalSince(start) < 10, "it was woken")
    // All wake-ups may not have come yet; once they have, clearing leaves none.
    for _ in 0..<1000 { waker.wake() }
    waker.clear()
  }
}
