internal import Reduction

/// Decides which task comes next, and which worker computes which leaves.
extension CoordinatorMachine {
  package mutating func startWorkIfPossible(at now: Instant) {
    guard !isOver, work == nil else { return }
    let first = nextTask
    if first == nil || (awaitedCount == 0 && activeCount > 0) { begin(first, at: now) }
  }

  /// Starts `task`. Ends the run if there is none, or if the run was asked to stop and the next task is a step.
  package mutating func begin(_ task: StepTask?, at now: Instant) {
    guard let task else {
      end(nil)
      return
    }
    if let stopRequest, task.isTraining {
      end(stopRequest.reason)
      return
    }
    work = Work(task, configuration.plan, chunkCount: configuration.chunks.count, at: now)
    if task.isTraining {
      work!.routes = routes
      reportRelays()
    }
    warnOfSpareWorkers()
    dispatch(at: now)
    remeasureSlowWorkers(at: now)
  }

  /// Warns once if there are more workers than a full step has leaves.
  private mutating func warnOfSpareWorkers() {
    let plan = configuration.plan
    let most = plan.local?.replicas ?? plan.microBatches
    guard activeCount > most, !hasWarnedOfSpareWorkers else { return }
    hasWarnedOfSpareWorkers = true
    let leaves =
      plan.local == nil
      ? "a step has \(most) micro-batch\(most == 1 ? "" : "es") (--micro-batches)"
      : "a round has \(most) replica\(most == 1 ? "" : "s") (--replicas)"
    report(.warning("\(activeCount - most) of \(activeCount) workers stand by: \(leaves)"))
  }

  /// The task that follows those that are done; nil at the end.
  package var nextTask: StepTask? {
    let plan = configuration.plan
    if let part = plan.pendingEvaluation(afterSteps: step, evaluated: evaluatedSteps) {
      return .evaluate(step: step, part: part)
    }
    return step < plan.totalSteps ? .train(step: step) : nil
  }

  /// Cuts the unassigned leaves by pace among the idle workers and those that will be idle soon, and assigns the idle
  /// ones theirs.
  package mutating func dispatch(at now: Instant) {
    if let work, !work.unassigned.isEmpty, work.routes != nil,
      !members.contains(where: {
        work.routes!.linked.contains($0.key) && ($0.value.state == .idle || !$0.value.isLagging)
      })
    {
      abandonRoutes(at: now)
      proposeRoutes(at: now)
    }
    if let work, !work.unassigned.isEmpty, !leftOut.isEmpty, candidates(for: work.task).isEmpty {
      useAllWorkers()
      proposeRoutes(at: now)
    }
    guard !isOver, let work, !work.unassigned.isEmpty else { return }
    // A lagging worker may have finished some of them meanwhile.
    work.unassigned = work.unassigned.flatMap { unsummed($0, in: work) }
    let leafCount = work.unassigned.reduce(0) { $0 + $1.count }
    let candidates = candidates(for: work.task)
    let quotas = quotas(of: leafCount, for: candidates.map(\.value), in: work)
    var assignments: [(peer: Peer, leaves: Range<Int>)] = []
    for (quota, (peer, member)) in zip(quotas, candidates) where quota > 0 && member.state == .idle {
      guard let range = work.unassigned.first else { break }
      let leaves = range.prefix(quota)
      work.unassigned[0] = range.dropFirst(leaves.count)
      if work.unassigned[0].isEmpty { work.unassigned.removeFirst() }
      assignments.append((peer, leaves))
    }
    // A relay that knows only of its own leaves would not wait for those behind it.
    for (peer, leaves) in hasGroups ? assignments.reversed() : assignments {
      assign(leaves, of: work, to: peer, at: now)
      work.transfers += 1 + members[peer]!.unfinishedNodes.count
    }
  }

  /// Those that compute and are idle or will be soon, in an order in which those behind one relay are neighbours.
  private func candidates(for task: StepTask) -> [(key: Peer, value: Member)] {
    let some = members.filter { peer, member in
      reachesRelays(peer) && !leftOut.contains(peer) && (member.state == .idle || member.isSoonIdle(for: task))
    }
    return hasGroups
      ? some.sorted { path(to: $0.key).lexicographicallyPrecedes(path(to: $1.key)) }
      : some.sorted { $0.value.number < $1.value.number }
  }

  /// The number of unassigned leaves for each candidate: in proportion to their paces, or a single node each if sending
  /// fewer nodes saves more time than the less even cut costs.
  ///
  /// Single nodes are not used when one worker is much slower than the others, because nodes differ in size by up to
  /// two.
  private func quotas(of leafCount: Int, for candidates: [Member], in work: Work) -> [Int] {
    let paces = paces(of: candidates, in: work.task)
    let even = shares(of: leafCount, weights: paces)
    if work.routes != nil || hasGroups {
      return relayedShares(even, paces, candidates.compactMap { $0.paces[true]?.secondsPerTask })
    }
    guard transferPace.isLong, work.task.isTraining, work.unassigned.count == 1 else { return even }
    let computing = candidates.compactMap { $0.paces[true]?.computeSecondsPerLeaf }
    guard computing.count == candidates.count,
      work.tree.pushes(of: work.unassigned[0], cutInto: even) > candidates.count,
      let slowest = paces.min(), let fastest = paces.max(), fastest < SchedulingPolicy.singleNodePaceFactor * slowest,
      let nodes = work.tree.nodeShares(of: work.unassigned[0], for: candidates.count)
    else { return even }
    func seconds(_ shares: [Int]) -> Double {
      let longest = zip(shares, computing).map { Double($0) * $1 }.max() ?? 0
      return longest + transferPace.secondsPerTransfer
        * Double(work.tree.pushes(of: work.unassigned[0], cutInto: shares))
    }
    return seconds(nodes) < seconds(even) ? nodes : even
  }

  /// `shares` of leaves in proportion to `paces`, or equal ones if these would not take much longer.
  private func relayedShares(_ shares: [Int], _ paces: [Double], _ secondsPerTask: [Double]) -> [Int] {
    func seconds(_ shares: [Int]) -> Double { zip(shares, paces).map { Double($0) / $1 }.max() ?? 0 }
    let equal = Protocol.shares(of: shares.reduce(0, +), weights: shares.map { _ in 1 })
    let limit = SchedulingPolicy.relayedCutFraction * (secondsPerTask.max() ?? 0)
    return seconds(equal) < seconds(shares) + limit ? equal : shares
  }

  package mutating func assign(_ leaves: Range<Int>, of work: Work, to peer: Peer, at now: Instant) {
    let chunks = configuration.chunks
    for chunk in chunks.indices where chunks.isRead(chunks.kind(chunk), by: work.task.kind) {
      sendParameters(chunk, step: work.task.step, for: work.task.kind, to: peer)
    }
    guard let member = members[peer] else { preconditionFailure("leaves of a peer that is no member") }
    member.state = .busy
    // Of this task, it may have to push finished nodes again.
    if member.task != work.task { member.weights.removeAll(keepingCapacity: true) }
    member.task = work.task
    member.leaves = leaves
    member.measuredSteps.removeAll(keepingCapacity: true)
    member.unfinishedNodes = work.tree.maximalNodes(in: leaves)
    member.taskComputeSeconds = 0
    (member.assignmentTime, member.lastProgress) = (now, now)
    member.isLagging = false
    member.usesRelays = work.routes != nil || hasGroups
    sendAssignment(to: peer, routes: work.routes)
  }

  /// Tells a worker its leaves.
  package mutating func sendAssignment(to peer: Peer, routes: RouteTable?) {
    guard let member = members[peer], let task = member.task else { preconditionFailure("an assignment of nothing") }
    if task.isTraining { group(member.leaves, of: peer) }
    let header = Header(
      .assign, run: configuration.run, session: member.session, step: UInt64(task.step),
      leaves: UInt32(member.leaves.lowerBound)..<UInt32(member.leaves.upperBound), chunk: UInt32(routes?.number ?? 0),
      task: task.kind)
    let isRound = task.isTraining && configuration.plan.local != nil
    actions.append(.send(header, isRound ? .roundStart : .none, to: peer))
  }

  /// Sends a chunk of the parameters of `step`, as `task` reads it, unless the worker has it already.
  ///
  /// - Parameter kind: PARAMETERS, or PASS for a relay that passes them on, also if it has them.
  package mutating func sendParameters(
    _ chunk: Int, step: Int, for task: TaskKind, to peer: Peer, as kind: MessageKind = .parameters
  ) {
    let (element, round) = (configuration.chunks.element(chunk, for: task), configuration.plan.round(atStep: step))
    guard let member = members[peer], kind == .pass || !member.parameters.holds(chunk, round: round, element) else {
      return
    }
    let (top, kind) = sendsOnce(chunk, round: round, element, to: peer, as: kind)
    guard let member = members[top] else { return }
    member.parameters.add(chunk, round: round, element)
    let header = Header(
      kind, run: configuration.run, session: member.session, step: UInt64(step), chunk: UInt32(chunk),
      vector: configuration.chunks.kind(chunk), element: element,
      payloadLength: UInt64(configuration.chunks.byteCount(chunk, element)))
    actions.append(.send(header, .parameters(chunk: chunk), to: top))
  }

  /// Makes the leaves of `member` that are not summed yet free for other workers.
  ///
  /// - Parameter isGone: whether what it has pushed to relays may be lost.
  package mutating func unassignLeaves(of member: Member, isGone: Bool = false) {
    guard let work, member.task == work.task else { return }
    sendUnassigned(member)
    let leaves = unsummed(member.leaves, in: work) { leaf in
      !isGone && work.usesRelays && work.metrics.sums.covers(Node(leaf..<leaf + 1))
    }
    reassignedLeaves += leaves.map(\.count).reduce(0, +)
    work.unassigned += leaves
  }

  private func unsummed(
    _ leaves: Range<Int>, in work: Work, butNot isExcepted: (Int) -> Bool = { _ in false }
  ) -> [Range<Int>] {
    guard !work.metrics.sums.nodes.isEmpty else { return [leaves] }
    var ranges: [Range<Int>] = []
    for leaf in leaves where !work.isSummed(leaf) && !isExcepted(leaf) {
      if let last = ranges.last, last.upperBound == leaf {
        ranges[ranges.count - 1] = last.lowerBound..<leaf + 1
      } else {
        ranges.append(leaf..<leaf + 1)
      }
    }
    return ranges
  }
}
