internal import Reduction

/// Which members sum chunks for the others.
package struct RouteTable: Equatable, Sendable {
  /// As in ``Routes/number``.
  package let number: Int
  /// The relay of each slot; nil for the coordinator.
  package var slots: [CoordinatorMachine.Peer?]
  /// The members on the coordinator's machine, which get all parameters from it.
  package var beside: Set<CoordinatorMachine.Peer> = []
  /// The members that reach all relays.
  package var linked: Set<CoordinatorMachine.Peer> = []

  /// The relay of a chunk; nil for the coordinator.
  package func relay(ofChunk chunk: Int) -> CoordinatorMachine.Peer? { slots[chunk % slots.count] }
}

/// Agrees with the members on routes, and gives them up when a relay is lost or does not deliver.
///
/// New routes are proposed to all members that can compute. Tasks use them once every one of them has said LINKED, which
/// means that it reaches all relays. Until then they go on with the routes before.
extension CoordinatorMachine {
  /// Proposes routes over the members that offer to be relays, after members have changed.
  mutating func proposeRoutes(at now: Instant) {
    proposal = nil
    guard !isOver, now >= routesPausedUntil else { return }
    let active = members.filter { isComputing($0.key) }.sorted { $0.value.number < $1.value.number }
    // Where there are members behind others, their chunks go that way.
    let isMesh = (configuration.topology ?? (hasSlowLinks ? .mesh : .star)) == .mesh && !hasGroups
    let offers = active.filter { $0.value.relay != nil && isMesh }
    let beside = Set(active.filter { isBeside($0.value) }.map(\.key))
    let apart = offers.filter { !beside.contains($0.key) }
    let relays = (apart.count >= SchedulingPolicy.relaysApart ? apart : offers).prefix(
      min(configuration.chunks.parameterChunks, Routes.relayCounts.upperBound))
    guard relays.count > 1 else {
      abandonRoutes(at: now)
      return
    }
    routesNumber += 1
    let table = RouteTable(number: routesNumber, slots: relays.map(\.key), beside: beside)
    proposal = (table, now)
    for (peer, _) in active { sendRoutes(table, isCurrent: false, to: peer) }
  }

  /// Whether a member is on the coordinator's machine.
  private func isBeside(_ member: Member) -> Bool {
    func host(_ address: String) -> Substring {
      let name = address.dropFirst("tcp://".count)
      return name.lastIndex(of: ":").map { name[..<$0] } ?? name
    }
    return member.sharesMemory
      || member.relay.map { relay in configuration.ways.contains { host($0.address) == host(relay.address) } } ?? false
  }

  private mutating func sendRoutes(_ table: RouteTable, isCurrent: Bool, to peer: Peer) {
    let relays = table.slots.map { slot in
      slot.flatMap { members[$0] }.flatMap { member in
        member.relay.map { Routes.Relay(address: $0.address, key: $0.key, ticket: member.ticket) }
      }
    }
    send(
      .routes,
      .routes(
        Routes(
          number: table.number, relays: relays, isCurrent: isCurrent, own: table.slots.firstIndex(of: peer),
          isBeside: table.beside.contains(peer))),
      to: peer)
  }

  /// A member reaches all relays of a proposal.
  mutating func receiveLinked(_ number: Int, from peer: Peer, at now: Instant) {
    guard proposal?.table.number == number else { return }
    proposal!.table.linked.insert(peer)
    let table = proposal!.table
    guard members.allSatisfy({ !isComputing($0.key) || table.linked.contains($0.key) }) else { return }
    if routes == nil { forgetPaces() }
    (routes, proposal) = (table, nil)
  }

  /// A member has left. If it was a relay, the present task's other members push its chunks again.
  mutating func unlink(_ peer: Peer, at now: Instant) {
    // It may come back on the same connection.
    routes?.linked.remove(peer)
    work?.routes?.linked.remove(peer)
    breakSlots(at: now) { $0 == peer }
    let isLost = routes?.slots.contains(peer) == true
    if isLost { routes = nil }
    if isLost || proposal != nil || routes?.slots.contains(nil) == true { proposeRoutes(at: now) }
  }

  /// Sends the chunks of the relays that `isBroken` says to the coordinator, from now on in this task and after it.
  private mutating func breakSlots(at now: Instant, _ isBroken: (Peer) -> Bool) {
    guard let table = work?.routes ?? routes, table.slots.contains(where: { $0.map(isBroken) ?? false }) else { return }
    // What the relays were to pass on may not have arrived.
    for chunk in 0..<configuration.chunks.count where table.relay(ofChunk: chunk).map(isBroken) ?? false {
      for peer in table.linked.subtracting(table.beside) { members[peer]?.parameters.remove(chunk) }
    }
    // Members learn of it only if their task uses these routes.
    guard work?.routes != nil else { return }
    routesNumber += 1
    let rest = RouteTable(
      number: routesNumber, slots: table.slots.map { $0.flatMap { isBroken($0) ? nil : $0 } },
      beside: table.beside, linked: table.linked)
    work!.formerRelays.formUnion(table.slots.compactMap(\.self))
    work!.routes = rest
    work!.repushTime = now
    routes = rest
    for peer in rest.linked.sorted() where members[peer] != nil { sendRoutes(rest, isCurrent: true, to: peer) }
  }

  /// Sends all chunks to the coordinator, also in the present task.
  mutating func abandonRoutes(at now: Instant) {
    breakSlots(at: now) { _ in true }
    if routes != nil { forgetPaces() }
    (routes, proposal) = (nil, nil)
    // The task's members are as good as all others now.
    work?.routes = nil
  }

  /// Gives up a proposal that a member does not link, and chunks that a relay does not deliver.
  mutating func tickRoutes(at now: Instant) {
    // On slow links, routes wait behind parameters, and sums behind other sums.
    let patience = SchedulingPolicy.progressTimeoutTasks * longestTask(isTraining: true)
    if let (table, since) = proposal, now.seconds(since: since) > max(configuration.limits.silenceLimit, patience) {
      let missing = members.filter { isComputing($0.key) && !table.linked.contains($0.key) }
        .values.sorted { $0.number < $1.number }.map(\.name)
      pauseRoutes("\(missing.joined(separator: ", ")) cannot reach all other workers", at: now)
    }
    if proposal == nil, routes == nil, routesPausedUntil > Instant(nanoseconds: 0), now >= routesPausedUntil {
      routesPausedUntil = Instant(nanoseconds: 0)
      proposeRoutes(at: now)
    }
    // Who has just been told to compute leaves again has not pushed them yet.
    let assigned = members.values.filter { $0.task == work?.task }.map(\.assignmentTime).max()
    guard let work, work.task.isTraining, work.metrics.root != nil, work.uncheckedChunks > 0,
      now.seconds(since: max(work.lastProgress, work.repushTime, assigned ?? work.start))
        > max(configuration.limits.progressTimeout, patience)
    else { return }
    let unfinished = configuration.chunks.indices.filter { !work.sums[$0].nodes.contains(work.tree.root) }
    guard !unfinished.isEmpty else { return }
    let relays = Set(unfinished.compactMap { work.routes?.relay(ofChunk: $0) })
    let missing = (0..<work.tree.leafCount).filter { leaf in
      unfinished.contains { !work.sums[$0].covers(Node(leaf..<leaf + 1)) }
    }
    // What is sent again takes its time.
    work.repushTime = now
    if relays.isEmpty, let relay = debtor(of: missing) {
      let address = members[relay]?.relay?.address ?? ""
      if withheld.count >= Routes.relayCounts.upperBound { withheld = [:] }
      withheld[address, default: 0] += 1
      // What was lost with a connection comes when it is computed again; a relay that never delivers may not stay.
      expel(relay, "the sums of those behind it do not come", mayReturn: withheld[address]! < 3, at: now)
    } else if relays.isEmpty {
      // What was pushed is lost: it is computed again.
      work.unassigned = [0..<work.tree.leafCount]
      dispatch(at: now)
    } else {
      let names = relays.compactMap { members[$0]?.name }.sorted()
      pauseRoutes("sums do not come from \(names.joined(separator: ", "))", at: now)
    }
  }

  private mutating func pauseRoutes(_ reason: String, at now: Instant) {
    abandonRoutes(at: now)
    // A relay that never delivers makes steps stand still each time.
    let factor = 1 << min(routesPauses, SchedulingPolicy.mostRelayRetryDoublings)
    routesPausedUntil = now.advanced(by: SchedulingPolicy.relayRetrySeconds * Double(factor))
    routesPauses += 1
    guard routesPauses == 1 else { return }
    report(.warning("\(reason): all gradients go to the coordinator for a while"))
  }

  /// Reports how many relays tasks use, when that changes.
  mutating func reportRelays() {
    let count = Set(work?.routes?.slots.compactMap(\.self) ?? []).count
    // What is only tried is not reported.
    guard count != reportedRelays, workerCount.isSettled || leftOut.isEmpty else { return }
    reportedRelays = count
    report(.relays(count: count))
  }

  /// Whether a member may compute a part of the present task: it reaches the task's relays.
  func reachesRelays(_ peer: Peer) -> Bool { work?.routes?.linked.contains(peer) ?? true }

  /// Whether a PUSH is a relay's sum: of all leaves, or of some of those that it computes with those behind it.
  package func isRelayed(_ header: Header, from peer: Peer) -> Bool {
    guard work?.usesRelays == true, let work else { return false }
    if let leaves = work.groupedLeaves[peer], header.leafRange.allSatisfy(leaves.contains) { return true }
    guard header.leafRange == work.tree.root.leaves else { return false }
    return work.routes?.relay(ofChunk: Int(header.chunk)) == peer || work.formerRelays.contains(peer)
  }

  /// Sends chunks that have not come to a member, and its assignment again. If others have computed its leaves, the
  /// member is free for other ones.
  mutating func sendMissing(_ chunks: MissingChunks, step asked: UInt64, to peer: Peer, at now: Instant) {
    guard let member = members[peer], member.state == .busy, let task = member.task, asked == UInt64(task.step) else {
      return
    }
    let missing = chunks.chunks.filter { $0 < configuration.chunks.count }
    for chunk in missing { member.parameters.remove(chunk) }
    guard let work, task == work.task, !member.leaves.allSatisfy({ work.metrics.sums.covers(Node($0..<$0 + 1)) }) else {
      member.state = .idle
      member.unfinishedNodes = []
      sendUnassigned(member)
      dispatch(at: now)
      return
    }
    for chunk in missing { sendParameters(chunk, step: task.step, for: task.kind, to: peer) }
    sendAssignment(to: peer, routes: work.routes)
  }
}
