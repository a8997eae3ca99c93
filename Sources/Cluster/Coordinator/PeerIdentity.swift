internal import Protocol
internal import ZeroMQ

/// Identities on the ROUTER socket. ZeroMQ makes them 5 bytes long; a peer with a longer one is not a worker.
extension CoordinatorMachine.Peer {
  init?(identity: UnsafeRawBufferPointer) {
    guard identity.count <= 7 else { return nil }
    self.init(id: identity.reduce(UInt64(identity.count)) { $0 << 8 | UInt64($1) })
  }

  var identity: Message {
    let count = (0...7).first { id >> (8 * UInt64($0)) == UInt64($0) } ?? 0
    return Message((0..<count).map { UInt8(truncatingIfNeeded: id >> (8 * UInt64(count - 1 - $0))) })
  }
}
