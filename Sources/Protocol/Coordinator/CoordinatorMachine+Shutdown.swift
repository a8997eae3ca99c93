/// After the run: who has not answered the goodbye yet.
///
/// A worker behind a slow link has parameters to receive before the goodbye, and may still be pushing. A connection that
/// is closed while something comes in is reset, and what was on its way to the worker is lost.
extension CoordinatorMachine {
  /// Whether every worker knows that the run is over, or will not learn it any more.
  package var isShutDown: Bool { members.isEmpty }

  package mutating func handleAfterEnd(_ event: Event, at now: Instant) {
    switch event {
    case .received(let header, _, let peer):
      guard members[peer]?.session == header.session else { return }
      members[peer]!.lastHeard = now
      if header.kind == .goodbye { members[peer] = nil }
    case .malformed(_, let peer), .unreachable(let peer): members[peer] = nil
    case .processEnded(let name, _, _):
      for (peer, member) in members where member.name == name { members[peer] = nil }
    case .tick:
      // The first one after the end counts for all: nobody has to hurry before.
      let since = shutdownStart ?? now
      shutdownStart = since
      for (peer, member) in members {
        let isSilent = now.seconds(since: member.lastHeard) > configuration.limits.silenceLimit
        if isSilent || now.seconds(since: since) > configuration.limits.shutdownTimeout { members[peer] = nil }
      }
      // To one that is gone nothing can be sent.
      for peer in members.keys.sorted() { send(.ping, to: peer) }
    case .failed, .stop: members = [:]
    case .started, .checked, .updated: break
    }
  }
}
