/// A member of a run as people see it.
package struct MemberStatus: Equatable, Sendable {
  package enum State: String, Codable, Sendable, CaseIterable {
    /// It loads its data.
    case loading
    case idle
    /// It computes leaves.
    case busy
    /// It only adds and passes on what others compute.
    case relaying
    /// It has nothing to compute, because steps are shorter without it.
    case standingBy = "standing by"
  }

  /// In order of joining, from 1; 0 before.
  package var number: Int
  package var name: String
  package var threads: Int
  package var state: State
  /// Whether other workers may compute its leaves as well.
  package var isSlow: Bool
  /// The number of the relay by which its messages come; nil if they come by its own connection.
  package var parent: Int?
  package var sharesMemory: Bool
  package var finishedLeaves: Int
  /// In which it had leaves, and of these the mean in which its threads computed.
  package var assignedSeconds: Double
  package var computedSeconds: Double
  /// Seconds since it last sent anything.
  package var silence: Double
}

extension CoordinatorMachine {
  /// The members in order of joining, those that still load at the end.
  package func roster(at now: Instant) -> [MemberStatus] {
    members.map { peer, member in
      let state: MemberStatus.State =
        switch member.state {
        case .loading: .loading
        case .idle: leftOut.contains(peer) ? .standingBy : .idle
        case .busy: .busy
        case .relaying: .relaying
        }
      let running = member.state == .busy ? now.seconds(since: member.assignmentTime) : 0
      return MemberStatus(
        number: member.number, name: member.name, threads: member.threads, state: state, isSlow: member.isLagging,
        parent: member.parent.flatMap { members[$0]?.number }, sharesMemory: member.sharesMemory,
        finishedLeaves: member.finishedLeaves, assignedSeconds: member.assignedSeconds + running,
        computedSeconds: member.computedSeconds, silence: now.seconds(since: member.lastHeard))
    }
    .sorted { ($0.number == 0 ? Int.max : $0.number, $0.name) < ($1.number == 0 ? Int.max : $1.number, $1.name) }
  }

  /// The way that gradients and parameters take now.
  package var presentTopology: Topology {
    if routes != nil { return .mesh }
    guard hasGroups else { return .star }
    return configuration.topology ?? .mesh
  }
}
