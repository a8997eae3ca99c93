internal import Protocol
internal import ZeroMQ

/// A member's connections to the relays of its routes.
///
/// Only the thread that made it may use it.
final class RelayLinks {
  private struct Link {
    let relay: Routes.Relay
    let socket: Socket
  }

  /// Bytes that a connection between members has on its way. Larger: those of many members overflow the queues of slow
  /// links, which then wait for lost packets: with eight hosts at 100 Mbit/s a step took 1.47 s with the system's own
  /// sizes, 1.33 s with 128 KiB, and 1.32 s with this. Smaller: connections of long delay carry less.
  static let sendBuffer: Int32 = 64 << 10

  private let context: Context
  private let pair: CurveKeyPair?
  private let limits: Limits
  private var links: [UInt64: Link] = [:]

  /// - Parameter pair: this member's keys; nil connects without.
  init(_ context: Context, _ pair: CurveKeyPair?, _ limits: Limits) {
    (self.context, self.pair, self.limits) = (context, pair, limits)
  }

  var sockets: [Socket] { links.values.map(\.socket) }

  /// Connects to those of `relays` that it is not connected to, and ends the other connections. A relay with an address
  /// or a key that cannot be used is left out: the coordinator learns that it is not reached.
  func set(_ relays: [Routes.Relay]) throws(ZeroMQError) {
    var kept: [UInt64: Link] = [:]
    for relay in relays {
      if let link = links[relay.ticket], link.relay == relay {
        kept[relay.ticket] = link
      } else if let socket = try connect(relay) {
        kept[relay.ticket] = Link(relay: relay, socket: socket)
      }
    }
    for (ticket, link) in links where kept[ticket] == nil { link.socket.close() }
    links = kept
  }

  private func connect(_ relay: Routes.Relay) throws(ZeroMQError) -> Socket? {
    let socket = try Socket(context, .dealer)
    if let pair {
      guard let key = relay.key.flatMap({ CurveKey(base64: $0) }) else { return nil }
      try socket.secure(asClient: pair, of: key)
    }
    try socket.set(.linger(milliseconds: 0))
    try socket.set(.sendLimit(0))
    try socket.set(.longestReconnectInterval(milliseconds: 1000))
    try socket.set(.longestRetransmission(milliseconds: limits.silenceLimitMilliseconds))
    try socket.set(.connectTimeout(milliseconds: 2000))
    try socket.set(.sendBuffer(RelayLinks.sendBuffer))
    guard (try? socket.connect(relay.address)) != nil else { return nil }
    return socket
  }

  /// Sends a message to a relay. What is sent to one that is not reached is lost.
  func send(_ header: Header, _ payload: Message?, to ticket: UInt64) throws(ZeroMQError) {
    try links[ticket]?.socket.send(header, payload)
  }

  /// The next message of each relay that has one.
  func receive() throws(ZeroMQError) -> [(ticket: UInt64, received: ReceivedFrames)] {
    var messages: [(UInt64, ReceivedFrames)] = []
    for (ticket, link) in links {
      if let received = try link.socket.receiveFrames(limit: 2) { messages.append((ticket, received)) }
    }
    return messages
  }
}
