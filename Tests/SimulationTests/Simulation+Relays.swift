import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Members as relays, and the links between members.
extension Simulation {
  /// A member's connection to another member's relay. Its index + 1 is the peer's name at the relay.
  struct Link {
    let member: Int
    let relay: Int
    let ticket: UInt64
    var isOpen = true
    /// Whether what is sent goes nowhere, though neither end has noticed.
    var isLossy = false
    var toRelay: [(header: Header, payload: [Float])] = []
    var toMember: [(header: Header, payload: [Float])] = []
    var lastArrival: Int64 = 0
    var lastDeparture: Int64 = 0
  }

  private func process(at address: String) -> Int? {
    processes.indices.first { processes[$0].relayAddress == address && processes[$0].isAlive }
  }

  /// Opens and closes links, as `RelayLinks` does.
  mutating func link(_ relays: [Routes.Relay], from process: Int) {
    for (ticket, index) in processes[process].links where !relays.contains(where: { $0.ticket == ticket }) {
      links[index].isOpen = false
      processes[process].links[ticket] = nil
    }
    for relay in relays where processes[process].links[relay.ticket] == nil {
      open(relay.ticket, to: self.process(at: relay.address), from: process)
    }
  }

  private mutating func open(_ ticket: UInt64, to relay: Int?, from process: Int) {
    guard let relay else { return }
    links.append(Link(member: process, relay: relay, ticket: ticket))
    processes[process].links[ticket] = links.count - 1
    let start = now + Int64(magnitude(0.0005...0.05) * 1e9)
    (links[links.count - 1].lastArrival, links[links.count - 1].lastDeparture) = (start, start)
  }

  mutating func sendToRelay(_ header: Header, _ body: WorkerMachine.Body, _ ticket: UInt64, from process: Int) {
    guard let index = processes[process].links[ticket], links[index].isOpen else { return }
    var payload: [Float] = []
    if case .gradient(let node, let chunk) = body {
      guard let gradient = processes[process].gradients[node] else {
        violate("worker \(process) is to push \(node) to a relay, which is not at hand")
        return
      }
      payload = Array(gradient.values[model.chunks[chunk]])
    }
    guard !links[index].isLossy else { return }
    links[index].toRelay.append((header, payload))
    if links[index].toRelay.count > 200 { violate("200 messages to a relay pile up") }
    let time = max(links[index].lastArrival, now + Int64(magnitude(2e-5...0.01) * 1e9))
    links[index].lastArrival = time
    queue.add(.relayArrival(link: index), at: time)
  }

  mutating func arriveAtRelay(_ index: Int) {
    let relay = links[index].relay
    guard links[index].isOpen, processes[relay].isAlive, !links[index].toRelay.isEmpty else { return }
    let (header, payload) = links[index].toRelay.removeFirst()
    handle(
      .received(
        header, byteCount: payload.count * header.element.size, from: RelayMachine.Peer(id: UInt64(index + 1))),
      payload, atRelay: relay)
  }

  mutating func arriveFromRelay(_ index: Int) {
    let member = links[index].member
    guard links[index].isOpen, processes[member].isAlive, !links[index].toMember.isEmpty else { return }
    let (header, payload) = links[index].toMember.removeFirst()
    // One that reads the coordinator's memory has no vector for what relays pass on.
    if header.kind == .parameters && processes[member].sharesMemory { return }
    let content: WorkerMachine.Content =
      header.kind == .parameters ? .parameters(byteCount: payload.count * header.element.size) : .none
    handle(.relayed(header, content, ticket: links[index].ticket), at: member, Span(copying: payload))
  }

  /// Carries the machine's actions out, as `RelayServer` does.
  mutating func handle(_ event: RelayMachine.Event, _ payload: [Float]? = nil, atRelay process: Int) {
    for action in processes[process].relay?.handle(event) ?? [] {
      switch action {
      case .pong(let header, let peer): sendToMember(header, [], peer, from: process)
      case .keep(let node, let chunk):
        guard let payload else {
          violate("relay \(process) keeps \(node), which did not come")
          return
        }
        processes[process].relaySums[chunk, default: [:]][node] = payload
      case .combine(let left, let right, let chunk):
        guard let leftSum = processes[process].relaySums[chunk]?.removeValue(forKey: left),
          let rightSum = processes[process].relaySums[chunk]?.removeValue(forKey: right)
        else {
          violate("relay \(process) is to add \(left) and \(right), which are not at hand")
          return
        }
        processes[process].relaySums[chunk]![Node(left.start..<right.end)] = model.add(
          leftSum, rightSum, from: model.chunks[chunk].lowerBound)
      case .discard(let node, let chunk):
        if processes[process].relaySums[chunk]?.removeValue(forKey: node) == nil {
          violate("relay \(process) is to drop \(node), which is not at hand")
        }
      case .push(let node, let step, let chunk):
        guard let sum = processes[process].relaySums[chunk]?.removeValue(forKey: node) else {
          violate("relay \(process) is to push \(node), which is not at hand")
          return
        }
        pushSum(sum, of: node, step: step, chunk: chunk, from: process)
      case .clear: processes[process].relaySums = [:]
      }
    }
  }

  mutating func pushSum(_ sum: [Float], of node: Node, step: Int, chunk: Int, from process: Int) {
    let header = Header(
      .push, run: processes[process].machine.run, session: processes[process].machine.session, step: UInt64(step),
      leaves: UInt32(node.start)..<UInt32(node.end), chunk: UInt32(chunk), task: .train,
      vector: model.chunks.kind(chunk), element: model.chunks.element(chunk))
    send(
      ToCoordinator(
        header: header, content: .gradient(byteCount: model.chunks.byteCount(chunk, header.element)),
        payload: Span(copying: sum)), from: process)
  }

  mutating func passOn(_ payload: Span?, chunk: Int, step: Int, _ element: ElementKind, from process: Int) {
    guard let payload, let relay = processes[process].relay, let ticket = relay.ticket else { return }
    let header = Header(
      .parameters, run: processes[process].machine.run, session: ticket, step: UInt64(step), chunk: UInt32(chunk),
      vector: model.chunks.kind(chunk), element: element)
    for peer in relay.peers.sorted() { sendToMember(header, payload.values, peer, from: process) }
  }

  private mutating func sendToMember(
    _ header: Header, _ payload: [Float], _ peer: RelayMachine.Peer, from process: Int
  ) {
    let index = Int(peer.id) - 1
    guard links[index].isOpen, processes[links[index].member].isAlive else {
      if Bool.random(using: &random) { handle(.unreachable(peer), atRelay: process) }
      return
    }
    guard !links[index].isLossy else { return }
    links[index].toMember.append((header, payload))
    let time = max(links[index].lastDeparture, now + Int64(magnitude(2e-5...0.01) * 1e9))
    links[index].lastDeparture = time
    queue.add(.relayDeparture(link: index), at: time)
  }

  // MARK: Faults

  /// Breaks, delays or silences a link between members.
  mutating func disturbLink() {
    guard let index = links.indices.filter({ links[$0].isOpen }).randomElement(using: &random) else { return }
    switch Int.random(in: 0..<3, using: &random) {
    case 0: breakLink(index)
    case 1:
      let duration = magnitude(0.001...20)
      log("link \(index + 1) is held up for \(duration) s")
      let end = now + Int64(duration * 1e9)
      links[index].lastArrival = max(links[index].lastArrival, end)
      links[index].lastDeparture = max(links[index].lastDeparture, end)
      disturb(for: duration)
    default:
      let duration = magnitude(0.1...60)
      log("link \(index + 1) loses what is sent for \(duration) s")
      links[index].isLossy = true
      schedule(.relink(index), after: duration)
      disturb(for: duration)
    }
  }

  /// All that is on its way is lost; the member connects again, as another peer.
  mutating func breakLink(_ index: Int) {
    guard links[index].isOpen else { return }
    log("link \(index + 1) of worker \(links[index].member) to relay \(links[index].relay) breaks")
    links[index].isOpen = false
    let (member, relay, ticket) = (links[index].member, links[index].relay, links[index].ticket)
    guard processes[member].links[ticket] == index else { return }
    processes[member].links[ticket] = nil
    open(ticket, to: processes[relay].isAlive ? relay : nil, from: member)
    disturb(for: 0)
  }
}
