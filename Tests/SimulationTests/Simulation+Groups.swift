import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Members behind relays, and their connections to them.
extension Simulation {
  /// A member's connection to its relay. Its index + 1 is the peer's name there.
  struct Hop {
    let member: Int
    let relay: Int
    var isOpen = true
    /// Whether what is sent goes nowhere, though neither end has noticed.
    var isLossy = false
    var toRelay: [ToCoordinator] = []
    var toMember: [ToWorker] = []
    var lastArrival: Int64 = 0
    var lastDeparture: Int64 = 0
  }

  /// What a process that listens has for those behind it.
  struct Group {
    var machine = GroupMachine()
    var id: UInt64
    var sums: [Int: [Node: [Float]]] = [:]
    /// The connections to the coordinator, or to the next relay, by hop.
    var upstream: [Int: Route] = [:]
    var hellos: [Int: ToCoordinator] = [:]
  }

  /// Where messages go: to the coordinator, or to a relay.
  enum Route: Equatable {
    case connection(Int)
    case hop(Int)
  }

  static let coordinatorAddress = "tcp://coordinator"

  /// Opens a connection to where the process's own messages go; `hop` is on whose behalf.
  mutating func openRoute(of process: Int, for hop: Int? = nil) -> Route {
    let start = now + Int64(magnitude(0.0005...0.05) * 1e9)
    guard let relay = processes[process].behind else {
      connections.append(Connection(process: process, hop: hop, isEstablished: false))
      if coordinator != nil {
        schedule(.established(connection: connections.count - 1), after: Double(start - now) * 1e-9)
      }
      return .connection(connections.count - 1)
    }
    hops.append(Hop(member: process, relay: relay))
    (hops[hops.count - 1].lastArrival, hops[hops.count - 1].lastDeparture) = (start, start)
    hopOwners.append(hop)
    return .hop(hops.count - 1)
  }

  mutating func closeRoute(_ route: Route) {
    switch route {
    case .connection(let index):
      guard connections[index].isOpen else { return }
      connections[index].isOpen = false
      if Bool.random(using: &random) { schedule(.unreachable(connection: index), after: magnitude(1e-4...0.1)) }
    case .hop(let index): hops[index].isOpen = false
    }
  }

  mutating func send(_ message: ToCoordinator, on route: Route) {
    switch route {
    case .connection(let index): send(message, onConnection: index)
    case .hop(let index):
      guard hops[index].isOpen, !hops[index].isLossy, processes[hops[index].relay].isAlive else { return }
      hops[index].toRelay.append(message)
      if hops[index].toRelay.count > 150 { violate("150 messages to the relay \(hops[index].relay) pile up") }
      let time = max(hops[index].lastArrival, now + Int64(magnitude(2e-5...0.01) * 1e9))
      hops[index].lastArrival = time
      queue.add(.hopArrival(index), at: time)
    }
  }

  private mutating func sendDown(_ message: ToWorker, on index: Int) {
    guard hops[index].isOpen, !hops[index].isLossy, processes[hops[index].member].isAlive else {
      if Bool.random(using: &random) {
        handleGroup(.unreachable(GroupMachine.Peer(id: UInt64(index + 1))), at: hops[index].relay)
      }
      return
    }
    hops[index].toMember.append(message)
    let time = max(hops[index].lastDeparture, now + Int64(magnitude(2e-5...0.01) * 1e9))
    hops[index].lastDeparture = time
    queue.add(.hopDeparture(index), at: time)
  }

  /// A message of a member reaches its relay.
  mutating func arriveAtHop(_ index: Int) {
    let relay = hops[index].relay
    guard hops[index].isOpen, processes[relay].isAlive, !hops[index].toRelay.isEmpty else { return }
    let message = hops[index].toRelay.removeFirst()
    log("relay \(relay) gets \(describe(message.header)) on hop \(index + 1)")
    if message.header.kind == .hello {
      if case .hello(let hello) = message.content, let id = processes[relay].group?.id {
        if hello.relay?.id == id {
          sendDown(ToWorker(header: Header(.refuse), content: .reason("a loop of relays")), on: index)
          return
        }
        if hello.via?.contains(id) == true { return }
      }
      processes[relay].group?.hellos[index] = message
      if case .hello(let hello) = message.content {
        handleGroup(
          .hello(GroupMachine.Peer(id: UInt64(index + 1)), isDirect: hello.via?.isEmpty ?? true), at: relay)
      }
      return
    }
    let byteCount =
      message.header.kind == .push ? (message.payload?.values.count ?? 0) * message.header.element.size : 0
    handleGroup(
      .fromBelow(message.header, byteCount: byteCount, GroupMachine.Peer(id: UInt64(index + 1))), at: relay,
      message.payload?.values, up: message)
  }

  /// A message reaches a member from its relay.
  mutating func arriveFromHop(_ index: Int) {
    let member = hops[index].member
    guard hops[index].isOpen, processes[member].isAlive, !hops[index].toMember.isEmpty else { return }
    deliver(hops[index].toMember.removeFirst(), to: member, for: hopOwners[index])
  }

  /// Gives a process a message that is its own, or for the member behind it that `hop` is of.
  mutating func deliver(_ message: ToWorker, to process: Int, for hop: Int?) {
    if let hop {
      if message.header.kind == .welcome { processes[process].group?.hellos[hop] = nil }
      handleGroup(
        .fromAbove(message.header, GroupMachine.Peer(id: UInt64(hop + 1))), at: process, down: message)
      return
    }
    log("worker \(process) gets \(describe(message.header))")
    let content = message.header.kind == .welcome ? .welcome(scenario.welcome) : message.content
    if message.header.session == processes[process].machine.session {
      handle(.reached(step: Int(message.header.step)), atRelay: process)
    }
    handle(.received(message.header, content), at: process, message.payload)
  }

  /// Carries the machine's actions out, as `GroupServer` does.
  mutating func handleGroup(
    _ event: GroupMachine.Event, at process: Int, _ payload: [Float]? = nil, up: ToCoordinator? = nil,
    down: ToWorker? = nil
  ) {
    guard var machine = processes[process].group?.machine else { return }
    let actions = machine.handle(event)
    processes[process].group!.machine = machine
    // Another one for each session.
    if case .lost = event { processes[process].group!.id += 1000 }
    for action in actions {
      switch action {
      case .handUp(let peer):
        guard let up, let route = processes[process].group!.upstream[hop(peer)] else { continue }
        send(up, on: route)
      case .handUpWeight(let peer):
        guard var up, let route = processes[process].group!.upstream[hop(peer)] else { continue }
        (up.content, up.payload) = (.gradient(byteCount: 0), nil)
        send(up, on: route)
      case .handUpHello(let peer, let anew):
        if anew, let route = processes[process].group!.upstream.removeValue(forKey: hop(peer)) { closeRoute(route) }
        guard var hello = processes[process].group!.hellos[hop(peer)], case .hello(var content) = hello.content else {
          continue
        }
        content.via = (content.via ?? []) + [processes[process].group!.id]
        hello.content = .hello(content)
        if processes[process].group!.upstream[hop(peer)] == nil {
          processes[process].group!.upstream[hop(peer)] = openRoute(of: process, for: hop(peer))
        }
        send(hello, on: processes[process].group!.upstream[hop(peer)]!)
      case .handDown(let peer): if let down { sendDown(down, on: hop(peer)) }
      case .lose(let peer, let run, let session):
        sendDown(ToWorker(header: Header(.lost, run: run, session: session), content: .none), on: hop(peer))
      case .sayGoodbye(let peer, let run, let session, let reason):
        sendDown(
          ToWorker(header: Header(.goodbye, run: run, session: session), content: .reason(reason)),
          on: hop(peer))
      case .disconnect(let peer):
        processes[process].group!.hellos[hop(peer)] = nil
        if let route = processes[process].group!.upstream.removeValue(forKey: hop(peer)) { closeRoute(route) }
      case .pass: violate("parameters are passed on without their values")
      case .keep(let node, let chunk):
        guard let payload else {
          violate("relay \(process) keeps \(node), which did not come")
          return
        }
        processes[process].group!.sums[chunk, default: [:]][node] = payload
      case .combine(let left, let right, let chunk):
        guard let leftSum = processes[process].group!.sums[chunk]?.removeValue(forKey: left),
          let rightSum = processes[process].group!.sums[chunk]?.removeValue(forKey: right)
        else {
          violate("relay \(process) is to add \(left) and \(right), which are not at hand")
          return
        }
        processes[process].group!.sums[chunk]![Node(left.start..<right.end)] = model.add(
          leftSum, rightSum, from: model.chunks[chunk].lowerBound)
      case .discard(let node, let chunk):
        if processes[process].group!.sums[chunk]?.removeValue(forKey: node) == nil {
          violate("relay \(process) is to drop \(node), which is not at hand")
        }
      case .push(let node, let step, let chunk):
        guard let sum = processes[process].group!.sums[chunk]?.removeValue(forKey: node) else {
          violate("relay \(process) is to push \(node), which is not at hand")
          return
        }
        pushSum(sum, of: node, step: step, chunk: chunk, from: process)
      case .clear: processes[process].group!.sums = [:]
      }
    }
    if processes[process].group!.machine.hasMembers != processes[process].machine.servesGroup {
      handle(.servesGroup(processes[process].group!.machine.hasMembers), at: process)
    }
    endIfAnswered(process)
  }

  private func hop(_ peer: GroupMachine.Peer) -> Int { Int(peer.id) - 1 }

  /// Passes parameters on to those behind.
  mutating func passDown(_ payload: Span, chunk: Int, step: Int, _ element: ElementKind, from process: Int) {
    guard var machine = processes[process].group?.machine else { return }
    for case .pass(let peer, let session) in machine.handle(.parameters) {
      let header = Header(
        .pass, run: machine.run, session: session, step: UInt64(step), chunk: UInt32(chunk),
        vector: model.chunks.kind(chunk), element: element)
      let content = WorkerMachine.Content.parameters(byteCount: payload.values.count * element.size)
      sendDown(ToWorker(header: header, content: content, payload: Span(copying: payload.values)), on: hop(peer))
    }
  }

  /// A process goes another way, as `Uplink` does.
  mutating func connect(_ way: Ways.Alternative, from process: Int) {
    let relay = processes.indices.first { processes[$0].relayAddress == way.address }
    log("worker \(process) goes by \(way.address)")
    closeRoute(processes[process].route)
    processes[process].behind = relay
    processes[process].route = openRoute(of: process)
  }

  /// Whether a process lives that computes, and can still reach the coordinator.
  func canCompute(_ process: Int) -> Bool {
    processes[process].isAlive && processes[process].threads > 0 && !isStranded(process)
  }

  /// Whether the process knows no way but by a relay that is gone.
  private func isStranded(_ process: Int) -> Bool {
    guard let relay = processes[process].behind, processes[process].machine.ways.isEmpty else { return false }
    return !processes[relay].isAlive || isStranded(relay)
  }

  // MARK: Faults

  /// Breaks, delays or silences a connection between a member and its relay, or breaks one that a relay has for it.
  mutating func disturbHop() {
    guard let index = hops.indices.filter({ hops[$0].isOpen }).randomElement(using: &random) else { return }
    switch Int.random(in: 0..<3, using: &random) {
    case 0: breakHop(index)
    case 1:
      let duration = magnitude(0.001...20)
      log("hop \(index + 1) is held up for \(duration) s")
      let end = now + Int64(duration * 1e9)
      hops[index].lastArrival = max(hops[index].lastArrival, end)
      hops[index].lastDeparture = max(hops[index].lastDeparture, end)
      disturb(for: duration)
    default:
      let duration = magnitude(0.1...60)
      log("hop \(index + 1) loses what is sent for \(duration) s")
      hops[index].isLossy = true
      schedule(.rehop(index), after: duration)
      disturb(for: duration)
    }
  }

  /// All that is on its way is lost; the member connects again, as another peer.
  mutating func breakHop(_ index: Int) {
    guard hops[index].isOpen else { return }
    log("hop \(index + 1) of \(hops[index].member) to relay \(hops[index].relay) breaks")
    hops[index].isOpen = false
    let member = hops[index].member
    disturb(for: 0)
    if processes[member].route == .hop(index) {
      processes[member].route = openRoute(of: member)
    } else if let (behind, _) = processes[member].group?.upstream.first(where: { $0.value == .hop(index) }) {
      processes[member].group!.upstream[behind] = openRoute(of: member, for: behind)
    }
  }
}
