import Foundation
import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// What a run must keep to at every moment: its end in time, and the size of what the coordinator knows.
extension Simulation {
  /// When the run must have ended: some seconds after the last fault to find together again, and the time for all
  /// leaves at the pace of the slowest; or the limit without workers.
  var latestEnd: Int64 {
    disturbedUntil
      + (isDeserted && !scenario.isLocal
        ? 310_000_000_000
        : (scenario.hasGroups ? 150_000_000_000 : scenario.hasRelays ? 75_000_000_000 : 30_000_000_000)
          + Int64(workTime * worstSlowness))
  }

  /// Nothing may grow without a bound in the coordinator, and no honest worker may be banned.
  mutating func checkBounds() {
    guard let coordinator else { return }
    for problem in brokenBounds(of: coordinator.machine) { violate(problem) }
  }

  private func brokenBounds(of coordinator: borrowing CoordinatorMachine) -> [String] {
    var problems: [String] = []
    let members = coordinator.members
    if let stopDue, outcome == nil, now > max(stopDue, coordinatorPausedUntil + 1_000_000_000) {
      problems.append("it was asked to stop and has not")
    }
    if !coordinator.banned.isEmpty { problems.append("an honest worker is banned") }
    if !hasFailed, let work = coordinator.work,
      work.repushTime.seconds(since: work.start) > coordinator.configuration.limits.progressTimeout
    {
      problems.append("a relay does not push what it owes, though nothing has failed")
    }
    // Else the silence of a worker that has ended would be noticed late.
    if coordinator.lastProgress > instant || members.values.contains(where: { $0.lastHeard > instant }) {
      problems.append("something is heard before it is said")
    }
    if members.count > 16 { problems.append("there are \(members.count) members") }
    if coordinator.strangers.count > connections.count {
      problems.append("there are \(coordinator.strangers.count) strangers")
    }
    if coordinator.unawaitedNames.count > processes.count || coordinator.endedNames.count > processes.count
      || !coordinator.absentNames.isDisjoint(with: coordinator.endedNames)
    {
      problems.append(
        "it knows the processes \(coordinator.unawaitedNames), \(coordinator.endedNames), \(coordinator.absentNames)")
    }
    guard let work = coordinator.work else { return problems }
    let leafCount = work.tree.leafCount
    if work.unassigned.count > leafCount * (members.count + 2) {
      problems.append("\(work.unassigned.count) ranges are unassigned")
    }
    if work.metrics.count > leafCount || work.metrics.count != work.metrics.sums.nodes.count {
      problems.append("\(work.metrics.count) metrics are kept of \(work.metrics.sums.nodes.count) nodes")
    }
    if work.finders.count > 4 * leafCount { problems.append("\(work.finders.count) findings are kept") }
    for (chunk, (sums, names)) in zip(self.sums, work.sums).enumerated() where !sums.isEmpty && lanes[chunk].isEmpty {
      if sums.count != names.nodes.count || !sums.keys.allSatisfy(names.nodes.contains) {
        problems.append("the sums \(sums.keys) are kept and \(names.nodes) are known")
      }
      // Disjoint nodes, no two of them siblings.
      if sums.count > (leafCount + 1) / 2 { problems.append("\(sums.count) sums of \(leafCount) leaves are kept") }
    }
    return problems
  }
}
