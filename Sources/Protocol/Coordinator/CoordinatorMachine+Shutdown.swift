/// After the run, waits until every worker has answered the GOODBYE.
///
/// The connections must stay open until then. Closing one that still receives resets it, and the parameters and the
/// GOODBYE on their way to the worker would be lost.
extension CoordinatorMachine {
  /// Whether every worker has answered, is gone or has timed out.
  package var isShutDown: Bool { members.isEmpty && places.moving.isEmpty }

  package mutating func handleAfterEnd(_ event: Event, at now: Instant) {
    switch event {
    case .received(_, .hello(let hello), let peer):
      // It may be on its way to its place.
      places.moving[hello.name] = nil
      actions.append(.send(Header(.goodbye), .reason(endReason), to: peer))
    case .received(let header, _, let peer):
      guard members[peer]?.session == header.session else { return }
      members[peer]!.lastHeard = now
      if header.kind == .goodbye { members[peer] = nil }
    case .malformed(_, let peer), .unreachable(let peer): members[peer] = nil
    case .processEnded(let name, _, _):
      for (peer, member) in members where member.name == name { members[peer] = nil }
      places.moving[name] = nil
    case .tick:
      // The timeout starts with the first tick after the end.
      let since = shutdownStart ?? now
      shutdownStart = since
      for (peer, member) in members {
        let isSilent = now.seconds(since: member.lastHeard) > configuration.limits.silenceLimit
        if isSilent || now.seconds(since: since) > configuration.limits.shutdownTimeout { members[peer] = nil }
      }
      if now.seconds(since: since) > configuration.limits.shutdownTimeout { places.moving = [:] }
      // Sending fails if the connection is gone, which removes the worker.
      for peer in members.keys.sorted() { send(.ping, to: peer) }
    case .failed, .stop: (members, places.moving) = ([:], [:])
    case .started, .checked, .updated: break
    }
  }
}
