/// How a worker's sessions begin and end, and where it looks for the next one.
extension WorkerMachine {
  mutating func sendHello(at now: Instant) {
    (run, session) = (0, 0)
    lastHello = now
    send(.hello, .hello)
  }

  /// Drops all work and sends HELLO again; another coordinator may answer.
  mutating func loseSession(_ reason: String, at now: Instant) {
    guard limits.reconnectTimeout > 0 else {
      fail(reason)
      return
    }
    lostSince = lostSince ?? now
    dropSession(at: now)
    sendHello(at: now)
  }

  private mutating func dropSession(at now: Instant) {
    // The coordinator may still read what was pushed in shared memory.
    if case .ready(let prepared) = state { releasePushed(prepared) }
    state = .connecting(since: now)
    lastHeard = now
    actions += [.cancel, .link([]), .setRelay(nil, run: run), .group(.lost)]
  }

  /// Joins again by the first of the ways, which is this member's place.
  mutating func move(at now: Instant) {
    // From now on it looks for a coordinator that it has had.
    if limits.reconnectTimeout > 0 { lostSince = lostSince ?? now }
    dropSession(at: now)
    goOn()
    sendHello(at: now)
  }

  /// Takes the first of the ways, which comes last from now on.
  private mutating func goOn() {
    guard let way = ways.first else { return }
    ways.append(ways.removeFirst())
    // Those behind have connections by the former way, on which the coordinator would not know who they come from.
    if way.address != address { actions.append(.group(.lost)) }
    address = way.address
    actions.append(.connect(way))
  }

  /// Starts to load a job. If it is the one that is loaded, its data is used again.
  mutating func load(_ welcome: Welcome) {
    state = .loading
    if welcome == self.welcome, loaded != nil {
      becomeReady()
      return
    }
    self.welcome = welcome
    loaded = nil
    actions.append(.load(welcome))
  }

  mutating func becomeReady() {
    guard let loaded else { preconditionFailure("a worker that has loaded nothing cannot be ready") }
    lostSince = nil
    state = .ready(Prepared(loaded.plan, loaded.chunks))
    send(.ready, .ready(loaded.ready))
  }

  mutating func tick(at now: Instant) {
    let pause = now.seconds(since: lastTick)
    lastTick = now
    if pause > limits.silenceLimit, case .connecting(let since) = state {
      // This process was stopped: messages that came meanwhile are not read yet.
      state = .connecting(since: min(now, since.advanced(by: pause)))
    }
    if case .connecting(let since) = state {
      if let lostSince, now.seconds(since: lostSince) > limits.reconnectTimeout {
        fail(
          "the coordinator at \(address) has been gone for \(Int(limits.reconnectTimeout)) s (--reconnect-timeout): \(handshakeProblem ?? "it has ended or cannot be reached")"
        )
      } else if lostSince == nil && now.seconds(since: since) > limits.connectTimeout {
        fail(
          handshakeProblem.map {
            "the coordinator at \(address) cannot be joined, after \(Int(limits.connectTimeout)) s: \($0)"
          }
            ?? "no coordinator answers at \(address) after \(Int(limits.connectTimeout)) s: start one with "
            + "`lockstep coordinator --bind \(address)`, or give its address as --connect")
      } else if now.seconds(since: lastHello) > limits.silenceLimit {
        goOn()
        // The first HELLO may have gone to a coordinator that was ending.
        sendHello(at: now)
      }
      return
    }
    guard now.seconds(since: lastHeard) <= limits.silenceLimit else {
      loseSession(
        "the coordinator at \(address) has been silent for \(Int(limits.silenceLimit)) s: it has ended or cannot be reached",
        at: now)
      return
    }
    tickRelays(at: now)
    // Answering pings is not enough: over a slow link they may queue behind parameters.
    if now.seconds(since: lastPing) >= limits.pingInterval {
      lastPing = now
      send(.ping)
    }
  }
}
