/// Leaves workers out that make steps longer (``WorkerCount``).
extension CoordinatorMachine {
  /// Whether a member can compute and is not left out.
  func isComputing(_ peer: Peer) -> Bool { members[peer]?.isActive == true && !leftOut.contains(peer) }

  /// Lets all members compute, and begins to measure anew.
  mutating func useAllWorkers() {
    leftOut = []
    workerCount.begin(with: configuration.usesAllWorkers ? 0 : activeCount)
  }

  /// Counts a finished training step, and changes the number of workers that compute if it is to be.
  mutating func countStep(seconds: Double, computing: Double, at now: Instant) {
    // Where links are fast, more workers never make a step much longer.
    guard transferPace.isLong || workerCount.current < activeCount else { return }
    if workerCount.add(seconds: seconds, computing: computing) {
      // Of those behind a relay, it comes first.
      let active = members.keys.filter { members[$0]!.isActive }
        .sorted { path(to: $0).lexicographicallyPrecedes(path(to: $1)) }
      leftOut = Set(active.dropFirst(workerCount.current))
      proposeRoutes(at: now)
    }
    guard workerCount.isSettled, !leftOut.isEmpty, !hasReportedLeftOut else { return }
    hasReportedLeftOut = true
    report(
      .leftOut(
        computing: workerCount.current, of: activeCount, seconds: workerCount.best.seconds,
        allSeconds: workerCount.allSeconds))
  }
}
