internal import Reduction

/// Workers that are slower than others: cut by pace, their leaves taken over, their pace measured again.
extension CoordinatorMachine {
  /// Leaves a second of each of `some` in tasks such as `task`: as measured; by the mean of all measured threads for a
  /// worker that is new; by threads where nobody is measured.
  package func paces(of some: [Member], in task: StepTask) -> [Double] {
    var isTraining = task.isTraining
    if members.values.allSatisfy({ $0.paces[isTraining] == nil }) { isTraining.toggle() }
    // In a fixed order: the sum's last bit may decide who gets a leaf.
    let measured = members.values.filter { $0.paces[isTraining] != nil }.sorted { $0.number < $1.number }
    let threads = measured.reduce(0) { $0 + $1.threads }
    let leavesPerThreadSecond =
      threads == 0 ? 1 : measured.reduce(0) { $0 + $1.paces[isTraining]!.leavesPerSecond } / Double(threads)
    return some.map { $0.paces[isTraining]?.leavesPerSecond ?? leavesPerThreadSecond * Double($0.threads) }
  }

  /// Gives leaves of busy workers to idle ones as well, where these would probably be done earlier.
  package mutating func takeOver(at now: Instant) {
    let due = takeovers(at: now).filter { $0.due <= now }
    for (peer, _) in due {
      members[peer]!.isLagging = true
      unassignLeaves(of: members[peer]!)
    }
    if !due.isEmpty { dispatch(at: now) }
  }

  /// When the next leaves may have to be taken over, if nothing happens before.
  package func nextTakeover(after now: Instant) -> Instant? { takeovers(at: now).map(\.due).min() }

  /// From which busy workers idle ones should take over, and when.
  ///
  /// The fastest idle worker needs a certain time for the leaves. Where the busy one's pace says that it will still need
  /// longer, that is now, unless transfers take most of the time: they share a link, where one more makes all others later.
  /// Where it is late, it is expected to need as long again as it is late already.
  private func takeovers(at now: Instant) -> [(peer: Peer, due: Instant)] {
    guard !isOver, let work, work.unassigned.isEmpty else { return [] }
    let kind = work.task.isTraining
    var fastestIdle: Pace?
    for member in members.values where member.state == .idle {
      guard let pace = member.paces[kind] else { continue }
      if pace.leavesPerSecond > fastestIdle?.leavesPerSecond ?? -1 { fastestIdle = pace }
    }
    guard let fastest = fastestIdle else { return [] }
    let isBoundByTransfers =
      transferPace.isLong && work.task.isTraining
      && SchedulingPolicy.transferBoundFactor * fastest.computeSecondsPerLeaf * fastest.leavesPerSecond < 1
    let busy = members.filter { $0.value.state == .busy && !$0.value.isLagging && $0.value.task == work.task }
      .sorted { $0.value.number < $1.value.number }
    return zip(busy, paces(of: busy.map(\.value), in: work.task)).map { busy, pace in
      let leaves = Double(busy.value.leaves.count)
      // What a task takes besides its leaves is not known; a part of the usual time stands for it.
      let takeoverSeconds = max(
        leaves / fastest.leavesPerSecond, SchedulingPolicy.taskOverheadFraction * fastest.secondsPerTask,
        SchedulingPolicy.minimumTakeoverSeconds)
      let elapsed = now.seconds(since: busy.value.assignmentTime)
      let due =
        elapsed < leaves / pace - takeoverSeconds && !isBoundByTransfers
        ? now : busy.value.assignmentTime.advanced(by: leaves / pace + takeoverSeconds)
      return (busy.key, due)
    }
  }

  /// Gives a leaf that another has as well to each worker that is idle because it was slow, once in a while: it may have
  /// become faster. Costs the step nothing, as nobody waits for it.
  package mutating func remeasureSlowWorkers(at now: Instant) {
    guard !isOver, let work, work.task.isTraining else { return }
    let idle = members.filter { $0.value.state == .idle && $0.value.paces[true] != nil }
    guard !idle.isEmpty, let fastest = members.values.compactMap({ $0.paces[true]?.leavesPerSecond }).max() else {
      return
    }
    let last = work.tree.leafCount - 1
    for (peer, member) in idle.sorted(by: { $0.value.number < $1.value.number }) {
      let pace = member.paces[true]!
      guard pace.leavesPerSecond < fastest / SchedulingPolicy.remeasuringPaceFactor,
        now.seconds(since: member.lastProgress) > SchedulingPolicy.remeasuringIntervalLeaves / pace.leavesPerSecond
      else { continue }
      assign(last..<last + 1, of: work, to: peer, at: now)
      members[peer]!.isLagging = true
      members[peer]!.paces[true] = nil  // what it was counts no more
      members[peer]!.isWarm = false
    }
  }

  /// Says once of a worker that it is much slower than others.
  package mutating func warnOfSlowWorkers(at now: Instant) {
    let fastest = members.values.compactMap { $0.paces[true]?.leavesPerSecond }.max() ?? 0
    for (peer, member) in members.sorted(by: { $0.value.number < $1.value.number }) where !member.hasWarnedOfSlowness {
      guard let pace = member.paces[true]?.leavesPerSecond else { continue }
      guard pace < fastest / SchedulingPolicy.slowWarningPaceFactor else {
        members[peer]!.slowSince = nil
        continue
      }
      let since = member.slowSince ?? now
      members[peer]!.slowSince = since
      guard now.seconds(since: since) > SchedulingPolicy.slowWarningSeconds else { continue }
      members[peer]!.hasWarnedOfSlowness = true
      let times = Int((fastest / pace).rounded())
      report(
        .warning(
          "worker \(member.number) (\(member.name)) is \(times) times slower than the fastest: it gets fewer micro-batches"
        ))
    }
  }
}
