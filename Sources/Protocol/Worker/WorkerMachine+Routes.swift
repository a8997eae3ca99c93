internal import Reduction

/// Pushes nodes by the routes of their task, and keeps links to the relays.
extension WorkerMachine {
  /// Pushes chunks of a node, each to its relay or to the coordinator.
  mutating func push(
    _ node: Node, _ chunks: [Int], _ weight: Double, of task: StepTask, _ prepared: Prepared
  ) {
    let weight = prepared.plan.local == nil ? weight : prepared.plan.averageWeight(of: node.leaves, in: task)
    for chunk in chunks {
      if prepared.pushesWithGroup {
        actions.append(.group(.own(node, step: task.step, chunk: chunk)))
      } else {
        push(chunk, of: node, weight, task, prepared)
      }
    }
    guard prepared.current.relays.contains(where: { $0 != nil }) else { return }
    if prepared.pushed?.task != task { prepared.pushed = (task, [:]) }
    prepared.pushed!.nodes[node, default: Pushed(weight: weight)].chunks.formUnion(chunks)
  }

  /// Sends the metrics of a node that is pushed, step by step.
  mutating func finish(_ node: Node, _ metrics: [NodeMetrics], of task: StepTask, _ prepared: Prepared) {
    if task.isTraining && prepared.pushed?.nodes[node] == nil { actions.append(.release(node)) }
    var header = header(.metrics, node, task)
    for (step, metrics) in metrics.enumerated() {
      header.chunk = UInt32(step)
      header.payloadLength = UInt64(NodeMetrics.size(sums: metrics.sums.count))
      actions.append(.send(header, .metrics(metrics)))
    }
  }

  private func header(_ kind: MessageKind, _ node: Node, _ task: StepTask) -> Header {
    Header(
      kind, run: run, session: session, step: UInt64(task.step), leaves: UInt32(node.start)..<UInt32(node.end),
      task: task.kind)
  }

  private mutating func push(
    _ chunk: Int, of node: Node, _ weight: Double, _ task: StepTask, _ prepared: Prepared
  ) {
    guard !prepared.current.isOwn(chunk: chunk) else {
      actions.append(.relay(node, step: task.step, chunk: chunk))
      return
    }
    var header = header(.push, node, task)
    let element = prepared.chunks.element(chunk)
    (header.chunk, header.vector, header.element) = (UInt32(chunk), prepared.chunks.kind(chunk), element)
    (header.payloadLength, header.weight) = (UInt64(prepared.chunks.byteCount(chunk, element)), weight)
    if let relay = prepared.current.relay(ofChunk: chunk) {
      header.session = relay.ticket
      actions.append(.sendToRelay(header, .gradient(node, chunk: chunk), ticket: relay.ticket))
    } else {
      actions.append(.send(header, .gradient(node, chunk: chunk)))
    }
  }

  /// Drops the gradients that were kept in case a relay is lost, except those of nodes that are still needed.
  mutating func releasePushed(_ prepared: Prepared, unless isNeeded: (Node) -> Bool = { _ in false }) {
    guard let pushed = prepared.pushed else { return }
    for node in pushed.nodes.keys.filter({ !isNeeded($0) }).sorted(by: { $0.start < $1.start }) {
      actions.append(.release(node))
      prepared.pushed!.nodes[node] = nil
    }
    if prepared.pushed!.nodes.isEmpty { prepared.pushed = nil }
  }

  /// Uses the routes that a task names, 0 for none, and forgets those before them. Assignments and routes may come by
  /// different ways, so that either can be first.
  ///
  /// - Returns: false if the routes have not come yet.
  func use(routes number: Int, _ prepared: Prepared) -> Bool {
    if number == 0 {
      prepared.current = Routes(number: prepared.current.number, relays: [])
    } else if let routes = prepared.routes[number] {
      prepared.current = routes
      prepared.routes = prepared.routes.filter { $0.key >= number }
    } else if number > prepared.current.number {
      return false
    }
    // Else they were replaced after the assignment was sent.
    return true
  }

  /// Takes the coordinator's new routes. If they replace those of the present task, chunks that now go another way are
  /// pushed again.
  mutating func take(_ routes: Routes, at now: Instant) {
    guard case .ready(let prepared) = state, routes.number > prepared.current.number else { return }
    let before = prepared.current
    if routes.isCurrent {
      prepared.routes = prepared.routes.filter { $0.key > routes.number }
      prepared.current = routes
    }
    prepared.routes[routes.number] = routes
    linkRelays(prepared, at: now)
    if routes.isCurrent, let (task, nodes) = prepared.pushed {
      for chunk in 0..<prepared.chunks.count
      where before.relay(ofChunk: chunk)?.ticket != routes.relay(ofChunk: chunk)?.ticket {
        for (node, pushed) in nodes.sorted(by: { $0.key.start < $1.key.start }) where pushed.chunks.contains(chunk) {
          push(chunk, of: node, pushed.weight, task, prepared)
        }
      }
    }
    reportLinked(prepared)
    beginIfComplete(prepared)
  }

  /// Connects to the relays of all routes that may be used.
  private mutating func linkRelays(_ prepared: Prepared, at now: Instant) {
    var relays: [UInt64: Routes.Relay] = [:]
    let all = [prepared.current] + prepared.routes.values
    for routes in all {
      for (index, relay) in routes.relays.enumerated() where index != routes.own {
        if let relay { relays[relay.ticket] = relay }
      }
    }
    prepared.links = prepared.links.filter { relays[$0.key] != nil }
    for ticket in relays.keys where prepared.links[ticket] == nil { prepared.links[ticket] = Link(nextPing: now) }
    actions.append(.link(relays.values.sorted { $0.ticket < $1.ticket }))
    // One that is no relay in new routes is one until tasks use these.
    let served = all.filter { $0.own != nil }
    actions.append(.setRelay((served.isEmpty ? all : served).max { $0.number < $1.number }, run: run))
    pingRelays(prepared, at: now)
  }

  private mutating func pingRelays(_ prepared: Prepared, at now: Instant) {
    let isBeside = prepared.routes.max { $0.key < $1.key }?.value.isBeside == true
    for (ticket, var link) in prepared.links.sorted(by: { $0.key < $1.key }) where now >= link.nextPing {
      let header = Header(.ping, run: run, session: ticket, chunk: isBeside ? 1 : 0)
      actions.append(.sendToRelay(header, .none, ticket: ticket))
      link.nextPing = now.advanced(by: link.pause)
      link.pause = min(2 * link.pause, limits.pingInterval)
      prepared.links[ticket] = link
    }
  }

  /// Says LINKED if all relays of the newest routes have answered.
  mutating func reportLinked(_ prepared: Prepared) {
    guard let newest = prepared.routes.keys.max(), newest > prepared.linked, let routes = prepared.routes[newest],
      routes.relays.enumerated().allSatisfy({ index, relay in
        index == routes.own || relay.map { prepared.links[$0.ticket]?.hasAnswered == true } ?? true
      })
    else { return }
    prepared.linked = newest
    send(.linked, chunk: newest)
  }

  /// Pings relays, which so learn whom to pass parameters on to, and asks for parameters that do not come.
  mutating func tickRelays(at now: Instant) {
    guard case .ready(let prepared) = state else { return }
    pingRelays(prepared, at: now)
    guard let header = prepared.awaiting, !prepared.hasAsked,
      now.seconds(since: prepared.lastChunk) > SchedulingPolicy.missingChunkSeconds
    else { return }
    askForMissing(header, prepared)
  }
}
