internal import Reduction

/// Members behind relays: a relay hands their messages on, adds their sums, and passes parameters on to them.
extension CoordinatorMachine {
  /// Finds out whether members behind others take part, after members have changed.
  mutating func updateGroups() {
    hasGroups = members.values.contains { $0.parent != nil && $0.isSettled }
  }

  /// The nearest relay that a HELLO came by; nil if the coordinator does not know all of them, in this order.
  func relay(_ via: [UInt64]) -> Peer? {
    var parent: Peer?
    for id in via.reversed() {
      // A relay that has come back may not be missed yet in its former session.
      let sessions = members.filter { $0.value.relay?.id == id && $0.value.parent == parent }
      guard let relay = sessions.max(by: { ($0.value.helloTime, $0.key) < ($1.value.helloTime, $1.key) })?.key else {
        return nil
      }
      parent = relay
    }
    return parent
  }

  /// The relays between a member and the coordinator, the nearest first.
  func relays(of peer: Peer) -> [Peer] {
    var relays: [Peer] = []
    var next = members[peer]?.parent
    while let relay = next {
      relays.append(relay)
      next = members[relay]?.parent
    }
    return relays
  }

  /// The numbers of a member's relays and its own, from the coordinator on. In their order, the leaves of those behind
  /// one relay are neighbours.
  func path(to peer: Peer) -> [Int] {
    ([peer] + relays(of: peer)).reversed().compactMap { members[$0]?.number }
  }

  /// Those behind a relay that take parameters, at any distance.
  func membersBehind(_ relay: Peer) -> [Peer] {
    members.keys.filter { members[$0]!.isSettled && relays(of: $0).contains(relay) }.sorted()
  }

  /// Notes that a relay may push sums of these leaves, and each relay before it.
  mutating func group(_ leaves: Range<Int>, of peer: Peer) {
    let relays = relays(of: peer)
    for relay in relays { work!.groupedLeaves[relay, default: []].formUnion(leaves) }
    // What a relay computes itself may go with what those behind it compute.
    if members[peer]!.relay != nil, work!.routes == nil {
      work!.groupedLeaves[peer, default: []].formUnion(leaves)
    }
  }

  /// To whom a chunk for `peer` is sent: of those behind the outermost relay, once to that, which passes it on; again to
  /// one that came after that, or lost it, itself.
  mutating func sendsOnce(
    _ chunk: Int, round: Int, _ element: ElementKind, to peer: Peer, as kind: MessageKind
  ) -> (to: Peer, as: MessageKind) {
    guard hasGroups else { return (peer, kind) }
    let top = relays(of: peer).last ?? peer
    let behind = membersBehind(top)
    guard !behind.isEmpty, !members[top]!.parameters.holds(chunk, round: round, element) else { return (peer, kind) }
    for member in behind { members[member]!.parameters.add(chunk, round: round, element) }
    return (top, .pass)
  }

  /// The outermost relay that owes sums of `leaves`; nil if none does.
  func debtor(of leaves: some Sequence<Int>) -> Peer? {
    guard let work else { return nil }
    let leaves = Set(leaves)
    return work.groupedLeaves.keys.filter { relay in
      members[relay] != nil && members[relay]!.parent == nil && !membersBehind(relay).isEmpty
        && !work.groupedLeaves[relay]!.isDisjoint(with: leaves)
    }.min()
  }

  /// Tells the relays of a member not to wait for its sums.
  mutating func sendUnassigned(_ member: Member) {
    guard let task = member.task, task.isTraining else { return }
    var next = member.parent
    while let relay = next, let outer = members[relay] {
      let header = Header(.unassigned, run: configuration.run, session: outer.session, step: UInt64(task.step))
      actions.append(.send(header, .unassigned(Unassigned(session: member.session)), to: relay))
      next = outer.parent
    }
  }

  /// Tells those behind relays where else they may go.
  mutating func sendWays() {
    for peer in members.keys.sorted() where members[peer]!.parent != nil { sendWays(to: peer) }
  }

  mutating func sendWays(to peer: Peer) {
    guard let member = members[peer] else { return }
    // Not by those behind it, which would be a loop. Its present relay comes last.
    let others = members.filter {
      $0.value.isSettled && $0.value.relay != nil && $0.key != peer && !relays(of: $0.key).contains(peer)
    }.sorted { $0.value.number < $1.value.number }
    let ordered = others.filter { $0.key != member.parent } + others.filter { $0.key == member.parent }
    let ways =
      configuration.ways
      + ordered.map { Ways.Alternative(address: $0.value.relay!.address, key: $0.value.relay!.key) }
    send(.ways, .ways(Ways(alternatives: Array(ways.suffix(Ways.mostAlternatives)))), to: peer)
  }
}
