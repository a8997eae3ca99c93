package import Protocol
internal import ZeroMQ

/// What those who watch a run see of its coordinator.
extension Coordinator {
  /// The members now.
  package var roster: [MemberStatus] { machine.roster(at: .now) }
  package var topology: Topology { machine.presentTopology }
  package var reassignedLeaves: Int { machine.reassignedLeaves }
  /// What went over the socket. What is shared in memory does not.
  package var bytes: (sent: Int, received: Int) { (socket.sentBytes, socket.receivedBytes) }
}
