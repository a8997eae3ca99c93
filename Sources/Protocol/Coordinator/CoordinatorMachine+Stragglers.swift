internal import Reduction

/// Handles slow workers: measures paces, lets idle workers take leaves over, and measures slow ones again.
extension CoordinatorMachine {
  /// Leaves a second of each of `some` in tasks such as `task`. A new worker counts with the mean pace of a measured
  /// thread; if nobody is measured, each thread counts 1.
  package func paces(of some: [Member], in task: StepTask) -> [Double] {
    var isTraining = task.isTraining
    if members.values.allSatisfy({ $0.paces[isTraining] == nil }) { isTraining.toggle() }
    // A fixed order, because the last bit of the sum may decide who gets a leaf.
    let measured = members.values.filter { $0.paces[isTraining] != nil }.sorted { $0.number < $1.number }
    let threads = measured.reduce(0) { $0 + $1.threads }
    let leavesPerThreadSecond =
      threads == 0 ? 1 : measured.reduce(0) { $0 + $1.paces[isTraining]!.leavesPerSecond } / Double(threads)
    return some.map { $0.paces[isTraining]?.leavesPerSecond ?? leavesPerThreadSecond * Double($0.threads) }
  }

  /// Measures all paces anew, because what they count has changed: with relays, computing alone (``Pace``).
  mutating func forgetPaces() {
    // Present tasks began before the change, and do not count.
    for member in members.values { (member.paces, member.isWarm) = ([:], false) }
  }

  /// Gives leaves of busy workers to idle ones as well, if these would probably finish them earlier.
  package mutating func takeOver(at now: Instant) {
    let due = takeovers(at: now).filter { $0.due <= now }
    for (member, _) in due {
      member.isLagging = true
      unassignLeaves(of: member)
    }
    if !due.isEmpty { dispatch(at: now) }
  }

  /// When ``takeOver(at:)`` must run next if no event comes before; nil for never.
  package func nextTakeover(after now: Instant) -> Instant? { takeovers(at: now).map(\.due).min() }

  /// The busy workers whose leaves idle workers should take over, and when.
  ///
  /// Take leaves over as soon as the fastest idle worker would finish them before their present worker. Not when
  /// transfers dominate: workers share the link. A worker that is late is expected to need as long again as it is late
  /// already.
  private func takeovers(at now: Instant) -> [(member: Member, due: Instant)] {
    guard !isOver, members.values.contains(where: { $0.state == .idle }), let work, work.unassigned.isEmpty else {
      return []
    }
    let kind = work.task.isTraining
    var fastestIdle: Pace?
    // A fixed order, because paces may be equal.
    for (peer, member) in members.sorted(by: { $0.value.number < $1.value.number })
    where member.state == .idle && reachesRelays(peer) && !leftOut.contains(peer) {
      guard let pace = member.paces[kind] else { continue }
      if pace.leavesPerSecond > fastestIdle?.leavesPerSecond ?? -1 { fastestIdle = pace }
    }
    guard let fastest = fastestIdle else { return [] }
    let isBoundByTransfers =
      transferPace.isLong && work.task.isTraining && SchedulingPolicy.transferBoundFactor * fastest.computeFraction < 1
    // A worker that waits for relays waits for everyone's links: only the tick finds one that is stuck.
    guard !(isBoundByTransfers && work.usesRelays) else { return [] }
    let busy = members.values.filter { $0.state == .busy && !$0.isLagging && $0.task == work.task }
      .sorted { $0.number < $1.number }
    return zip(busy, paces(of: busy, in: work.task)).map { busy, pace in
      let leaves = Double(busy.leaves.count)
      let takeoverSeconds = max(
        leaves / fastest.leavesPerSecond, SchedulingPolicy.taskOverheadFraction * fastest.secondsPerTask,
        SchedulingPolicy.minimumTakeoverSeconds)
      let elapsed = now.seconds(since: busy.assignmentTime)
      // Of a worker that waits for relays, only a time that is unusual for all says anything.
      let expected =
        busy.usesRelays
        ? SchedulingPolicy.relayedTakeoverTasks * longestTask(isTraining: kind) : leaves / pace
      let due =
        elapsed < expected - takeoverSeconds && !isBoundByTransfers && !busy.usesRelays
        ? now : busy.assignmentTime.advanced(by: expected + takeoverSeconds)
      return (busy, due)
    }
  }

  /// Whether the coordinator should poll for messages for a moment before it sleeps: if the workers on its machine leave
  /// one of its `cores` free, or if their tasks are so short that a sum is likely to come at once. Otherwise it would only
  /// take a core from them.
  package func shouldPoll(cores: Int) -> Bool {
    guard let work else { return true }
    var (threads, areShort) = (0, false)
    // Before each wait, so without an array.
    for member in members.values where member.sharesMemory {
      threads += member.threads
      if let pace = member.paces[work.task.isTraining] {
        areShort = areShort || pace.secondsPerTask < SchedulingPolicy.shortTaskSeconds
      }
    }
    return threads < cores || areShort
  }

  /// The usual seconds of the member's task for whom they are the most; 0 if nobody is measured.
  func longestTask(isTraining: Bool) -> Double {
    members.values.compactMap { $0.paces[isTraining]?.secondsPerTask }.max() ?? 0
  }

  /// Now and then gives each worker that is idle because it was slow a leaf that another worker computes too: it may
  /// have become faster. The step does not wait for it.
  package mutating func remeasureSlowWorkers(at now: Instant) {
    guard !isOver, let work, work.task.isTraining else { return }
    let idle = members.filter {
      $0.value.state == .idle && $0.value.paces[true] != nil && reachesRelays($0.key) && !leftOut.contains($0.key)
    }
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
      member.isLagging = true
      member.paces[true] = nil  // the old pace no longer holds
      member.isWarm = false
    }
  }

  /// Warns once of a worker that is much slower than the fastest.
  package mutating func warnOfSlowWorkers(at now: Instant) {
    let fastest = members.values.compactMap { $0.paces[true]?.leavesPerSecond }.max() ?? 0
    for member in members.values.sorted(by: { $0.number < $1.number }) where !member.hasWarnedOfSlowness {
      guard let pace = member.paces[true]?.leavesPerSecond else { continue }
      guard pace < fastest / SchedulingPolicy.slowWarningPaceFactor else {
        member.slowSince = nil
        continue
      }
      let since = member.slowSince ?? now
      member.slowSince = since
      guard now.seconds(since: since) > SchedulingPolicy.slowWarningSeconds else { continue }
      member.hasWarnedOfSlowness = true
      let times = Int((fastest / pace).rounded())
      report(
        .warning(
          "worker \(member.number) (\(member.name)) is \(times) times slower than the fastest: it gets fewer micro-batches"
        ))
    }
  }
}
