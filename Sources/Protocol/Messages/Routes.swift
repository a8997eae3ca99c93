/// ROUTES: which members sum which chunks for the others, and pass their parameters on.
///
/// Relay i of n has the chunks c with c mod n = i. A member sends each chunk of its nodes to the chunk's relay, which
/// adds siblings and pushes the tree's root to the coordinator. So each link carries about twice the parameters a step,
/// however many workers there are, and the coordinator's link carries them once each way. Members on the coordinator's
/// machine get parameters from it, without using the link.
package struct Routes: ControlPayload {
  /// Increases with each change in a run, from 1.
  package var number: Int
  /// Nil for chunks that go to the coordinator. Empty if all do.
  package var relays: [Relay?]
  /// Whether they replace those of the task that the member is at: a relay is gone. Else they are used by the tasks
  /// whose ASSIGN names them, after the member has said LINKED.
  package var isCurrent = false
  /// The index of the relay that the receiver is; nil if it is none.
  package var own: Int?
  /// Whether the receiver gets all parameters from the coordinator, and none from relays.
  package var isBeside = false

  package struct Relay: Codable, Equatable, Sendable {
    /// Where it listens, such as `tcp://10.0.0.7:5556`.
    package var address: String
    /// Its public key in base64; nil if it has none.
    package var key: String?
    /// What messages between it and members bear as their session.
    package var ticket: UInt64

    package init(address: String, key: String?, ticket: UInt64) {
      (self.address, self.key, self.ticket) = (address, key, ticket)
    }
  }

  package static let numbers = 1...Int(UInt32.max)
  package static let relayCounts = 0...1024

  package func check() throws(WireError) {
    _ = try Routes.numbers.checked(number, "number of routes")
    _ = try Routes.relayCounts.checked(relays.count, "count of relays")
    if let own, !relays.indices.contains(own) {
      throw .outOfRange("own relay", value: "\(own)", range: "below \(relays.count)")
    }
    for relay in relays.compactMap(\.self) {
      _ = try RelayOffer.addressLengths.checked(relay.address.utf8.count, "length of an address")
      _ = try (0...64).checked(relay.key?.utf8.count ?? 0, "length of a key")
    }
  }

  package init(number: Int, relays: [Relay?], isCurrent: Bool = false, own: Int? = nil, isBeside: Bool = false) {
    (self.number, self.relays, self.isCurrent, self.own) = (number, relays, isCurrent, own)
    self.isBeside = isBeside
  }

  /// The relay of a chunk; nil for the coordinator.
  package func relay(ofChunk chunk: Int) -> Relay? { relays.isEmpty ? nil : relays[chunk % relays.count] }

  /// Whether the receiver is the relay of a chunk.
  package func isOwn(chunk: Int) -> Bool { own.map { chunk % relays.count == $0 && relays[$0] != nil } ?? false }
}

/// Where a member listens for others, in its HELLO.
package struct RelayOffer: ControlPayload {
  /// A random number of the member's session, so that HELLOs can name it, 0…2⁵³.
  package var id: UInt64
  package var address: String
  /// Its public key in base64; nil if it has none.
  package var key: String?

  package static let addressLengths = 1...300

  package func check() throws(WireError) {
    _ = try (0...1 << 53).checked(id, "number of a relay")
    _ = try RelayOffer.addressLengths.checked(address.utf8.count, "length of an address")
    _ = try (0...64).checked(key?.utf8.count ?? 0, "length of a key")
  }

  package static var newID: UInt64 { .random(in: 1...1 << 53) }

  package init(id: UInt64 = RelayOffer.newID, address: String, key: String?) {
    (self.id, self.address, self.key) = (id, address, key)
  }
}

/// UNASSIGNED, to a relay: do not wait for the sums of this session's assignment in the header's step, because others
/// compute its leaves too.
package struct Unassigned: ControlPayload {
  package var session: UInt64

  package func check() throws(WireError) {}

  package init(session: UInt64) {
    self.session = session
  }
}

/// WAYS: where a member may go when its relay is lost, or its place in a tree of members.
package struct Ways: ControlPayload {
  /// Other relays and the coordinator.
  package var alternatives: [Alternative]
  /// Whether the member is to join again by the first of them now, because that is its place.
  package var moves = false

  package struct Alternative: Codable, Hashable, Sendable {
    package var address: String
    /// Its public key in base64; nil if it has none.
    package var key: String?

    package init(address: String, key: String?) {
      (self.address, self.key) = (address, key)
    }
  }

  package static let mostAlternatives = 1024

  package func check() throws(WireError) {
    _ = try (0...Ways.mostAlternatives).checked(alternatives.count, "count of ways")
    for way in alternatives {
      _ = try RelayOffer.addressLengths.checked(way.address.utf8.count, "length of an address")
      _ = try (0...64).checked(way.key?.utf8.count ?? 0, "length of a key")
    }
  }

  package init(alternatives: [Alternative], moves: Bool = false) {
    (self.alternatives, self.moves) = (alternatives, moves)
  }
}

/// MISSING: chunks of the parameters that a member needs and that have not come.
package struct MissingChunks: ControlPayload {
  package var chunks: [Int]

  package func check() throws(WireError) {
    _ = try (0...1 << 20).checked(chunks.count, "count of chunks")
    for chunk in chunks { _ = try (0...Int(UInt32.max)).checked(chunk, "chunk") }
  }

  package init(chunks: [Int]) {
    self.chunks = chunks
  }
}
