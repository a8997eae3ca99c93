package import Reduction

/// One membership of a worker: from its HELLO until it leaves. Belongs to its machine alone.
package final class Member {
  package enum State: Equatable {
    /// It loads its data.
    case loading
    case idle
    /// It computes leaves.
    case busy
    /// It only hands on and adds what others compute.
    case relaying
  }

  package let session: UInt64
  package let name: String
  package let threads: Int
  /// Where it listens as a relay, and what its messages with others bear.
  package let relay: RelayOffer?
  package let ticket: UInt64
  /// The relay whose connection its messages come by; nil if they come by its own.
  package let parent: CoordinatorMachine.Peer?
  /// HELLOs that came by this relay before it was admitted.
  package var deferredHellos: [(hello: Hello, peer: CoordinatorMachine.Peer)] = []
  /// Whether it reads the parameters in the coordinator's memory.
  package var sharesMemory = false
  /// In order of joining, from 1; 0 before.
  package var number = 0
  package var state = State.loading
  /// Whether it is ready and waits to be told its place.
  package var awaitsPlace = false
  /// What it computes, as it has said in READY; nil for one that computes nothing.
  package var numerics: Numerics?
  /// What was sent to it, or to a relay for it.
  package var parameters: HeldParameters
  package let helloTime: Instant
  /// The assigned leaves.
  package var leaves = 0..<0
  /// Nodes whose metrics have not arrived.
  package var unfinishedNodes: [Node] = []
  /// What it said with their gradients that their examples weigh.
  package var weights: [Node: Double] = [:]
  /// Of its unfinished nodes, the local steps whose metrics have arrived.
  package var measuredSteps: [Node: Int] = [:]
  package var task: StepTask?
  /// Whether its task's chunks go through relays.
  package var usesRelays = false
  /// When the leaves were assigned.
  package var assignmentTime: Instant
  /// When it last sent a sum, or got its leaves.
  package var lastProgress: Instant
  /// Whether other workers may compute its leaves as well.
  package var isLagging = false
  /// Whether its next task counts for its pace. The first task after a pause takes longer and does not.
  package var isWarm = false
  /// By whether the task is training or an evaluation.
  package var paces: [Bool: Pace] = [:]
  /// Since when it has been too slow; nil if it is not.
  package var slowSince: Instant?
  package var hasWarnedOfSlowness = false
  package var lastHeard: Instant
  package var lastPing: Instant
  package var computeSeconds = 0.0
  /// Seconds of all its threads for the current leaves.
  package var taskComputeSeconds = 0.0
  /// When it finished its last leaves.
  package var finishTime: Instant
  /// Leaves that it has finished.
  package var finishedLeaves = 0
  /// In which it had leaves that it has finished, and of these the mean in which its threads computed.
  package var assignedSeconds = 0.0
  package var computedSeconds = 0.0

  init(
    _ hello: Hello, session: UInt64, name: String, ticket: UInt64, parent: CoordinatorMachine.Peer?, chunks: Int,
    at now: Instant
  ) {
    (self.session, self.name, threads, relay) = (session, name, hello.threads, hello.relay)
    (self.ticket, self.parent) = (ticket, parent)
    parameters = HeldParameters(chunks: chunks)
    (helloTime, assignmentTime, finishTime, lastProgress) = (now, now, now, now)
    (lastHeard, lastPing) = (now, now)
  }

  /// The mean of `seconds` over its threads, at most `limit`: a worker may report any number.
  package func threadSeconds(_ seconds: Double, within limit: Double) -> Double {
    let each = seconds / Double(max(threads, 1))
    return each >= 0 ? min(each, limit) : 0
  }

  /// Whether it takes part.
  package var isSettled: Bool { state != .loading }

  /// Whether it can compute.
  package var isActive: Bool { state == .idle || state == .busy }

  /// Whether it still finishes an earlier task, and is not lagging.
  package func isSoonIdle(for task: StepTask) -> Bool { state == .busy && self.task != task && !isLagging }
}
