/// What is known of the places of members in a chain or tree.
package struct Places {
  /// Members that were sent to a relay and have not joined through it yet, by name.
  var moving: [String: (relay: CoordinatorMachine.Peer, address: String, since: Instant)] = [:]
  /// Addresses of relays that a member was sent to and did not reach, by its name.
  var unreached: [String: Set<String>] = [:]
  var hasWarned = false

  static let mostNames = 1024
}

/// Arranges members as a chain or tree (``Topology/childCount``).
///
/// A member that is ready and has come where there is no room is told to join again by the relay nearest the coordinator
/// that has some. It counts as a member when it has done so. Where there will be room only when others have arrived, it
/// waits.
extension CoordinatorMachine {
  private enum Place {
    case here
    case behind(Peer)
    /// It is not known before others have arrived.
    case later
  }

  /// Whether the place of a member that is ready is to be decided. One that shares memory needs no connection.
  func isToBePlaced(_ peer: Peer) -> Bool {
    guard configuration.topology?.childCount != nil, let member = members[peer] else { return false }
    return member.threads > 0 && !member.sharesMemory
  }

  /// Sends the members that wait for a place to it.
  mutating func placeMembers(at now: Instant) {
    guard let most = configuration.topology?.childCount, !isOver else { return }
    let waiting = members.filter(\.value.awaitsPlace).sorted {
      ($0.value.helloTime, $0.key) < ($1.value.helloTime, $1.key)
    }
    for (peer, _) in waiting where members[peer]?.awaitsPlace == true {
      switch place(of: peer, most) {
      case .here: settle(peer, at: now)
      case .behind(let relay): move(peer, behind: relay, at: now)
      case .later: return
      }
    }
  }

  private func place(of peer: Peer, _ most: Int) -> Place {
    guard let member = members[peer] else { preconditionFailure("a place for a peer that is no member") }
    if childCount(of: member.parent) < most || places.moving.count >= Places.mostNames { return .here }
    let unreached = places.unreached[member.name] ?? []
    let relays = members.filter { relay in
      relay.value.isSettled && relay.value.relay.map { !unreached.contains($0.address) } ?? false
        && childCount(of: relay.key) < most
    }
    // Groups of equal size need the fewest sums.
    func order(_ relay: Peer) -> [Int] { [path(to: relay).count, childCount(of: relay)] + path(to: relay) }
    let nearest = relays.keys.min { order($0).lexicographicallyPrecedes(order($1)) }
    if let nearest { return .behind(nearest) }
    return places.moving.isEmpty ? .here : .later
  }

  /// The members that exchange parameters and sums with a relay, or with the coordinator, over connections; those on their
  /// way count too.
  private func childCount(of relay: Peer?) -> Int {
    members.values.count { $0.isSettled && $0.parent == relay && !$0.sharesMemory }
      + places.moving.values.count { $0.relay == relay }
  }

  /// Ends the membership of one that is not settled, and tells it where to join again.
  private mutating func move(_ peer: Peer, behind relay: Peer, at now: Instant) {
    guard let member = members[peer], let offer = members[relay]?.relay else { return }
    let way = Ways.Alternative(address: offer.address, key: offer.key)
    send(.ways, .ways(Ways(alternatives: [way] + configuration.ways, moves: true)), to: peer)
    // For a relay that it has come by.
    send(.lost, to: peer)
    members[peer] = nil
    places.moving[member.name] = (relay, offer.address, now)
  }

  /// Notes that a member has come.
  ///
  /// - Returns: whether it has come by the relay that it was sent to.
  mutating func arrive(_ peer: Peer, at now: Instant) -> Bool {
    guard let member = members[peer], let (relay, address, _) = places.moving.removeValue(forKey: member.name) else {
      return false
    }
    guard member.parent != relay else { return true }
    guard members[relay] != nil else { return false }
    if places.unreached.count >= Places.mostNames { places.unreached = [:] }
    places.unreached[member.name, default: []].insert(address)
    report(.warning("\(member.name) does not reach \(members[relay]!.name) at \(address): it takes another place"))
    return false
  }

  /// Says once that a member is where there is no room.
  mutating func warnOfPlace(of peer: Peer) {
    guard let topology = configuration.topology, let most = topology.childCount, let member = members[peer],
      !places.hasWarned,
      childCount(of: member.parent) > most, isToBePlaced(peer)
    else { return }
    places.hasWarned = true
    report(
      .warning(
        "\(member.name) stays with \(member.parent.flatMap { members[$0]?.name } ?? "the coordinator"), because no worker "
          + "with --bind has room behind it: they are no \(topology)"))
  }

  /// Does not wait for members any more that do not arrive.
  mutating func tickPlaces(at now: Instant) {
    let patience = 2 * configuration.limits.silenceLimit
    for (name, move) in places.moving where now.seconds(since: move.since) > patience { places.moving[name] = nil }
    placeMembers(at: now)
  }
}
