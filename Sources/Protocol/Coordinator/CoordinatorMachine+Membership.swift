/// How workers join and leave, and when they count as dead.
extension CoordinatorMachine {
  package mutating func receive(_ header: Header, _ content: Content, from peer: Peer, at now: Instant) {
    if case .hello(let hello) = content {
      welcome(hello, peer, at: now)
      return
    }
    guard isMember(peer, header), let member = members[peer] else {
      // The session is over. Without an answer, sent once, the worker would wait for ever.
      if header.kind != .goodbye && insertStranger(peer) {
        actions.append(.send(Header(.lost, run: header.run, session: header.session), .none, to: peer))
      }
      return
    }
    member.lastHeard = now
    if member.state == .loading && (header.kind == .push || header.kind == .metrics) {
      expel(peer, "it sent a \(header.kind) message before it was ready", at: now)
      return
    }
    switch (header.kind, content) {
    case (.ready, .ready(let ready)): admit(peer, ready, at: now)
    case (.push, .gradient(let byteCount)): receiveGradient(header, byteCount: byteCount, from: peer, at: now)
    case (.metrics, .metrics(let metrics)): receiveMetrics(header, metrics, from: peer, at: now)
    case (.linked, _): receiveLinked(Int(header.chunk), from: peer, at: now)
    case (.missing, .missing(let chunks)): sendMissing(chunks, step: header.step, to: peer, at: now)
    case (.ping, _): send(.pong, to: peer)
    case (.pong, _): break
    case (.goodbye, .reason(let reason)): remove(peer, printable(reason), at: now)
    default: expel(peer, "it sent a \(header.kind) message, which workers do not send", at: now)
    }
  }

  /// Whether `peer` has the session that the header names. If not, only a HELLO is read.
  package func isMember(_ peer: Peer, _ header: Header) -> Bool {
    members[peer]?.session == header.session && header.run == configuration.run
  }

  /// Whether to ignore a HELLO of `peer`. After a broken connection several arrive together, so one answer in a ping
  /// interval is enough; a later HELLO means that the answer was lost.
  package func ignoresHello(from peer: Peer, at now: Instant) -> Bool {
    banned.contains(peer)
      || members[peer].map { now.seconds(since: $0.helloTime) < configuration.limits.pingInterval } ?? false
  }

  private mutating func welcome(_ hello: Hello, _ peer: Peer, at now: Instant) {
    guard !ignoresHello(from: peer, at: now) else { return }
    var parent: Peer?
    if let via = hello.via, !via.isEmpty {
      // One that is not known hands the HELLO on again when it is.
      guard let relay = relay(via) else { return }
      guard members[relay]!.isSettled else {
        if members[relay]!.deferredHellos.count < 1024 { members[relay]!.deferredHellos.append((hello, peer)) }
        return
      }
      parent = relay
    }
    if members[peer] != nil { remove(peer, "it has come back", mayReturn: true, at: now) }
    guard !isOver, !endedNames.contains(hello.name) else { return }
    absentNames.remove(hello.name)
    strangers.remove(peer)
    sessionCount += 1
    members[peer] = Member(
      hello, session: configuration.session(sessionCount), name: printable(hello.name),
      ticket: configuration.session(sessionCount | 1 << 63), parent: parent, chunks: configuration.chunks.count, at: now
    )
    send(.welcome, .welcome, to: peer)
    if parent != nil { sendWays(to: peer) }
  }

  private mutating func admit(_ peer: Peer, _ ready: Ready, at now: Instant) {
    guard let member = members[peer], !member.isSettled, !member.awaitsPlace else {
      expel(peer, "it said that it is ready twice", at: now)
      return
    }
    // One that computes nothing needs neither data nor a model.
    if member.threads > 0, let refusal = refusal(of: ready) {
      expel(peer, refusal, at: now)
      return
    }
    member.sharesMemory = ready.host != nil
    member.numerics = member.threads > 0 ? ready.numerics : nil
    if arrive(peer, at: now) || !isToBePlaced(peer) {
      settle(peer, at: now)
    } else {
      member.awaitsPlace = true
    }
    placeMembers(at: now)
  }

  /// Lets a member that is ready take part.
  mutating func settle(_ peer: Peer, at now: Instant) {
    guard let member = members[peer] else { preconditionFailure("a peer that is no member cannot take part") }
    let hadGroups = hasGroups
    member.awaitsPlace = false
    member.state = member.threads > 0 ? .idle : .relaying
    updateGroups()
    joinedCount += 1
    member.number = joinedCount
    stopAwaiting(member.name)
    if let numerics = member.numerics { reportOtherNumerics(numerics, of: member) }
    warnOfPlace(of: peer)
    report(.workerJoined(name: member.name, number: joinedCount, threads: member.threads, count: activeCount))
    sendWays()
    if member.parent != nil && !hadGroups { forgetPaces() }
    useAllWorkers()
    proposeRoutes(at: now)
    dispatch(at: now)
    guard let deferred = members[peer]?.deferredHellos else { return }
    members[peer]!.deferredHellos = []
    for (hello, peer) in deferred { welcome(hello, peer, at: now) }
  }

  /// The reason to refuse a worker with this READY; nil to admit it.
  package func refusal(of ready: Ready) -> String? {
    guard ready.data == configuration.fingerprint else {
      return "its data is not the coordinator's (fingerprint \(printable(ready.data).prefix(12))…, and "
        + "\(configuration.fingerprint.prefix(12))… here): the same files are needed on every machine"
    }
    guard ready.layout == configuration.layout else {
      return "its model has other parameters than the coordinator's: the same program is needed on every machine"
    }
    return refusal(of: ready.numerics)
  }

  /// Ends a membership and tells the worker the reason. Unless it may return, its connection is ignored from then on.
  package mutating func expel(_ peer: Peer, _ reason: String, mayReturn: Bool = false, at now: Instant) {
    if banned.count >= 1024 { banned.removeAll() }
    if !mayReturn { banned.insert(peer) }
    send(mayReturn ? .lost : .refuse, mayReturn ? .none : .reason(reason), to: peer)
    remove(peer, reason, mayReturn: mayReturn, at: now)
  }

  /// Ends a membership and gives the worker's unfinished leaves to others.
  package mutating func remove(_ peer: Peer, _ reason: String, mayReturn: Bool = false, at now: Instant) {
    guard let member = members[peer] else { return }
    // The connections of those behind it have gone with it. None of them gets leaves while they are removed.
    for gone in [peer] + membersBehind(peer) where members[gone]!.isActive { members[gone]!.state = .relaying }
    for behind in members.keys.filter({ members[$0]!.parent == peer }).sorted() {
      remove(behind, "it came by \(member.name), which has left", mayReturn: true, at: now)
    }
    guard !isOver, members.removeValue(forKey: peer) != nil else { return }
    updateGroups()
    // It owes nothing any more, also if it comes back on the same connection.
    if work?.groupedLeaves[peer] != nil { work!.groupedLeaves[peer] = [] }
    report(.workerLeft(name: member.name, number: member.number, reason: reason, count: activeCount))
    if !member.isLagging { unassignLeaves(of: member, isGone: true) }
    if member.state == .loading { stopAwaiting(member.name) }
    if members.isEmpty && member.state != .loading { lastProgress = now }
    if configuration.awaitedWorkers > 0 && mayReturn && !endedNames.contains(member.name) {
      absentNames.insert(member.name)
    }
    if hasNoWorkersLeft {
      end("worker \(member.name) has left, and none is left: \(reason)", culprit: member.name)
      return
    }
    if member.parent != nil && !hasGroups { forgetPaces() }
    useAllWorkers()
    unlink(peer, at: now)
    sendWays()
    dispatch(at: now)
    placeMembers(at: now)
  }

  /// Stops waiting for the local worker `name` to join. Counts names, because a worker that reconnects has two
  /// memberships for a while.
  ///
  /// - Returns: whether it was awaited until now.
  @discardableResult private mutating func stopAwaiting(_ name: String) -> Bool {
    guard configuration.awaitedWorkers > 0, unawaitedNames.insert(name).inserted else { return false }
    awaitedCount = max(awaitedCount - 1, 0)
    return true
  }

  /// Whether every process that was started here has ended, or has left the run for good.
  private var hasNoWorkersLeft: Bool {
    configuration.awaitedWorkers > 0 && members.isEmpty && awaitedCount == 0 && absentNames.isEmpty
  }

  package mutating func handleProcessEnd(_ name: String, _ description: String, at now: Instant) {
    endedNames.insert(name)
    // The connection may have broken before the end of the process was known.
    let isLost = absentNames.remove(name) != nil
    places.moving[name] = nil
    // A worker that has reconnected may still have its old membership. Those behind it are removed with it.
    for peer in members.keys.sorted() where members[peer]?.name == name { remove(peer, description, at: now) }
    let hasNeverJoined = stopAwaiting(name)
    if hasNeverJoined || isLost { report(.warning("worker \(name): \(description)")) }
    guard hasNoWorkersLeft else { return }
    end(
      hasNeverJoined
        ? "no worker could start; the last: \(description)"
        : "worker \(name) has left, and none is left: \(description)",
      culprit: name)
  }

  package mutating func rejectMalformed(_ error: WireError, from peer: Peer, at now: Instant) {
    guard members[peer] == nil else {
      expel(peer, "it sent \(error)", at: now)
      return
    }
    guard insertStranger(peer) else { return }
    report(.warning("a peer that is no worker sent \(error)"))
    // Workers of every version can read a REFUSE.
    if case .version = error { send(.refuse, .reason("\(error); install the same version on both machines"), to: peer) }
  }

  /// Remembers a peer that is not a worker; false if it was known. Each gets one answer and one warning. The set is
  /// bounded, so that many peers cannot fill the memory.
  private mutating func insertStranger(_ peer: Peer) -> Bool {
    if strangers.count >= 1024 { strangers.removeAll() }
    return strangers.insert(peer).inserted
  }

  package mutating func tick(at now: Instant) {
    let limits = configuration.limits
    let pause = now.seconds(since: lastTick)
    lastTick = now
    if pause > limits.silenceLimit { discountPause(pause, at: now) }
    for peer in members.keys.sorted() {
      guard let member = members[peer] else { continue }
      let silence = now.seconds(since: member.lastHeard)
      if silence > limits.silenceLimit {
        expel(peer, "it was silent for \(Int(silence.rounded())) s", mayReturn: true, at: now)
        continue
      }
      if now.seconds(since: member.lastPing) >= limits.pingInterval {
        member.lastPing = now
        send(.ping, to: peer)
      }
      let usual = member.task.flatMap { member.paces[$0.isTraining]?.secondsPerTask } ?? 0
      let patience = max(limits.progressTimeout, SchedulingPolicy.progressTimeoutTasks * usual)
      if member.state == .busy && !member.isLagging && now.seconds(since: member.lastProgress) > patience {
        member.isLagging = true
        report(.warning("worker \(member.number) (\(member.name)) is slow: its leaves go to idle workers as well"))
        unassignLeaves(of: member)
        dispatch(at: now)
      }
    }
    tickRoutes(at: now)
    tickPlaces(at: now)
    takeOver(at: now)
    warnOfSlowWorkers(at: now)
    if let stopRequest, now.seconds(since: stopRequest.since) > limits.stopTimeout || activeCount == 0 {
      end(stopRequest.reason)
    }
    let since = work.map { max($0.lastProgress, lastProgress) } ?? lastProgress
    guard !isOver else { return }
    let wait = activeCount == 0 ? Int(now.seconds(since: since)) : 0
    if wait > 0 && wait != reportedWait { report(.waiting(seconds: wait, limit: Int(limits.workerTimeout))) }
    reportedWait = wait
    guard now.seconds(since: since) > limits.workerTimeout else { return }
    let busy = members.values.filter { $0.state == .busy }.sorted { $0.number < $1.number }.map(\.name)
    end(standstillReason(Int(limits.workerTimeout)), culprit: busy.isEmpty ? nil : busy.joined(separator: ", "))
  }

  /// Does not count the `pause` in which this process was stopped: messages that came meanwhile are not read yet.
  private mutating func discountPause(_ pause: Double, at now: Instant) {
    func shifted(_ since: Instant) -> Instant { min(now, since.advanced(by: pause)) }
    for member in members.values { member.lastHeard = shifted(member.lastHeard) }
    lastProgress = shifted(lastProgress)
    if let work { work.lastProgress = shifted(work.lastProgress) }
    if let proposal { self.proposal!.since = shifted(proposal.since) }
  }

  private func standstillReason(_ seconds: Int) -> String {
    if activeCount > 0 {
      return "no progress for \(seconds) s, though \(activeCount) workers answer: step \(step + 1) is stuck"
    }
    if !members.isEmpty {
      let names = members.values.map(\.name).sorted().joined(separator: ", ")
      return "no worker has its data after \(seconds) s; still loading: \(names)"
    }
    let missing = awaitedCount + absentNames.count
    if missing > 0 { return "\(missing) of the workers started here did not answer for \(seconds) s" }
    return "no worker for \(seconds) s: start some with `lockstep worker --connect …`"
  }
}
