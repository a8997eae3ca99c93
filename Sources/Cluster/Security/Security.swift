internal import Synchronization
package import ZeroMQ

/// A coordinator's key, and the workers that it admits.
package struct CoordinatorSecurity: Sendable {
  let pair: CurveKeyPair
  let authorized: AuthorizedKeys

  /// Encrypts all connections, and admits workers whose keys are in `authorized`.
  package init(_ pair: CurveKeyPair, admitting authorized: AuthorizedKeys) {
    (self.pair, self.authorized) = (pair, authorized)
  }
}

/// A worker's key, and the only coordinator that it connects to.
package struct WorkerSecurity: Sendable {
  let pair: CurveKeyPair
  let coordinator: CurveKey

  /// Encrypts the connection; only the holder of the key `coordinator` can answer.
  package init(_ pair: CurveKeyPair, coordinator: CurveKey) {
    (self.pair, self.coordinator) = (pair, coordinator)
  }

  /// This side's public key.
  package var publicKey: CurveKey { pair.publicKey }

  /// For the worker as a relay: its key, and the workers that it admits.
  package func serving(_ authorized: AuthorizedKeys) -> CoordinatorSecurity {
    CoordinatorSecurity(pair, admitting: authorized)
  }
}

/// Decides which peers may connect to a coordinator's socket, and reports those that may not.
final class Listener: Sendable {
  private let gatekeeper: Gatekeeper?
  private let monitor: HandshakeMonitor
  private let refusals = Refusals()

  /// Must be made before `socket` listens.
  ///
  /// - Parameter report: called on other threads.
  init(
    _ socket: Socket, of context: Context, _ security: CoordinatorSecurity?,
    report: @escaping @Sendable (String) -> Void
  ) throws(ZeroMQError) {
    gatekeeper =
      if let security {
        try Gatekeeper(context) { [refusals, authorized = security.authorized] key, address in
          let isAdmitted = authorized.contains(key) { problem in refusals.add("", problem, report) }
          if !isAdmitted {
            refusals.add(
              "\(address) \(key)", "refused a worker from \(address): its key \(key) is not in \(authorized.source)",
              report
            )
          }
          return isAdmitted
        }
      } else {
        nil
      }
    if let security { try socket.secure(asServer: security.pair) }
    monitor = try HandshakeMonitor(socket, of: context) { [refusals, security] failure in
      let peer = failure.peer ?? "an address that was gone at once"
      let keys = security == nil ? "it has keys and this coordinator none" : "it has no keys"
      let reason: String
      switch failure.reason {
      case .refused: return  // reported by the gatekeeper
      case .otherMechanism: reason = keys
      case .malformed:
        reason = "what it sent is no handshake" + (security == nil ? "" : " with this coordinator's key")
      // A worker that finds out first breaks off, sometimes before this side has read what it sent.
      case .broken: reason = "it broke off, or was too slow for, its handshake; perhaps \(keys)"
      }
      refusals.add(peer, "refused \(peer): \(reason)", report)
    }
  }
}

/// Reports refusals as often as ``RefusalLog`` allows.
private final class Refusals: Sendable {
  private let log = Mutex(RefusalLog())

  func add(_ source: String, _ text: String, _ report: (String) -> Void) {
    switch log.withLock({ $0.add(source, at: .now) }) {
    case .nothing: break
    case .refusal(suppressed: 0): report(text)
    case .refusal(let count): report("\(text) (\(count) refusals before it were not shown)")
    case .flood: report("so many addresses are refused that not all of them will be shown")
    }
  }
}
