internal import Foundation
internal import Kernels
package import Protocol
internal import Reduction
internal import ZeroMQ

/// Computes what a coordinator asks for. Carries out what ``WorkerMachine`` decides.
///
/// Only the thread that made it may use it; others use its ``mailbox``.
package final class Worker {
  /// The default name: host and process.
  package static let name = name(processIdentifier: ProcessInfo.processInfo.processIdentifier)

  static let host = ProcessInfo.processInfo.hostName

  package static func name(processIdentifier: Int32) -> String {
    "\(host)/\(processIdentifier)"
  }

  private let name: String
  private let threads: Int
  private let timeline: Timeline?
  private let loadTask: @Sendable (Welcome) throws -> LoadedTask
  private let loading = DispatchGroup()
  private var socket: Socket
  private let uplink: Uplink
  private let links: RelayLinks
  /// What serves other members; nil if this one does not listen.
  private let relay: RelayServer?
  private var poller: Poller
  private var monitor: HandshakeMonitor
  private let waker: Waker
  package let mailbox: WorkerMailbox
  private var machine: WorkerMachine
  private var engine: (any WorkerEngine)?
  private var gradients: [Node: Gradient] = [:]
  /// Receives records of a coordinator on this machine.
  private let inbox = RecordInbox(marker: Header.firstBytes)
  /// The coordinator's shared memory, by its last WELCOME.
  private var offeredNames: SharedMemoryNames?
  /// Sends records to a coordinator on this machine.
  private var outbox: RecordOutbox?
  /// Whether gradients are pushed in shared memory, and those of the current step, which the coordinator may still
  /// read.
  private var pushesInPlace = false
  private var pushed: (step: Int, gradients: [Gradient]) = (-1, [])
  private var lastPushIsInPlace = false
  private var outcome: Outcome?
  private var isInterrupted = false

  private enum Outcome {
    case success
    case failure(String)
  }

  /// Starts to connect to `address`.
  ///
  /// - Parameters:
  ///   - load: loads the job of a WELCOME; called on its own thread.
  ///   - security: the keys; nil connects without.
  ///   - relaying: where to listen for other members; nil for nowhere.
  ///   - warn: gets warnings, on other threads.
  /// - Throws: ``TrainingError`` if an address is not valid or in use.
  package init(
    connecting address: String, name: String = Worker.name, threads: Int, security: WorkerSecurity? = nil,
    relaying settings: RelaySettings? = nil, timeline: Timeline? = nil, limits: Limits = Limits(),
    warn: @escaping @Sendable (String) -> Void = { _ in }, load: @escaping @Sendable (Welcome) throws -> LoadedTask
  ) throws {
    (self.name, self.threads, self.timeline) = (name, threads, timeline)
    loadTask = load
    let waker = Waker()
    self.waker = waker
    mailbox = WorkerMailbox(waker)
    machine = WorkerMachine(address: address, threads: threads, limits: limits)
    // Without others, it has one connection, which one thread serves.
    let context = Context(encrypts: security != nil && settings != nil)
    links = RelayLinks(context, security?.pair, limits)
    let uplink = Uplink(context, address, security, limits)
    self.uplink = uplink
    relay = try settings.map {
      try RelayServer(context, $0, limits, connect: { try uplink.connect() }, warn: warn)
    }
    try checkEndpoint(address, of: "connect")
    (socket, monitor) = try uplink.connect(reportingTo: mailbox)
    poller = Poller([socket, relay?.socket].compactMap(\.self), waker, pipe: inbox?.readEnd)
  }

  /// Where others reach this member as a relay; nil if it does not listen.
  package var relayAddress: String? { relay?.offer.address }

  /// Waits for all sockets that are there now.
  private func makePoller() -> Poller {
    Poller(
      [socket, relay?.socket].compactMap(\.self) + links.sockets + (relay?.group.sockets() ?? []), waker,
      pipe: inbox?.readEnd)
  }

  /// Whether the run goes on, or members behind have still to learn of its end.
  private var isRunning: Bool { outcome == nil || !isInterrupted && relay?.group.awaitsAnswers == true }

  /// Computes until the coordinator sends GOODBYE, and those behind this member know of it.
  ///
  /// - Throws: ``TrainingError`` with the root cause if the worker cannot go on.
  package func run() throws {
    defer { close() }
    var lastTick = Instant.now
    try handle(.started, payload: nil)
    while isRunning {
      outbox?.flush()
      if relay?.group.hasNewSockets == true { poller = makePoller() }
      if engine?.help() != true {
        let start = Instant.now
        try poller.wait(milliseconds: outbox?.isEmpty == false ? 5 : 100)
        timeline?.record(.wait, from: start)
      }
      waker.clear()
      for notice in mailbox.notices.takeAll() { try handle(notice) }
      // Bounded, so that many messages do not delay ticks and notices.
      for _ in 0..<1000 {
        guard isRunning, let received = try socket.receiveFrames(limit: 2) else { break }
        try receive { () throws(WireError) in try Frames(received.frames[...], total: received.total) }
      }
      for _ in 0..<1000 {
        guard isRunning, try receiveRelayed() else { break }
      }
      while isRunning, let record = inbox?.next() {
        try receive { () throws(WireError) in try Frames(record: record) }
      }
      let now = Instant.now
      if now.seconds(since: lastTick) >= 0.1 {
        lastTick = now
        try handle(.tick, payload: nil)
        try relay?.group.handle(.tick(now))
      }
    }
    if case .failure(let reason) = outcome { throw TrainingError(reason) }
  }

  private func receive(_ read: () throws(WireError) -> Frames) throws {
    var payload: Payload?
    let event: WorkerMachine.Event
    do throws(WireError) {
      let frames = try read()
      payload = Payload(frames)
      var content = try WorkerMachine.Content(frames) { [engine] in engine?.valueCount(shared: $0, $1) ?? 0 }
      if case .welcome(var welcome) = content {
        offeredNames = welcome.host
        welcome.host = nil
        content = .welcome(welcome)
      }
      event = .received(frames.header, content)
      if frames.header.kind == .assign { pushesInPlace = frames.header.sharedSlot != 0 }
    } catch {
      event = .malformed(error)
    }
    if case .received(let header, _) = event, header.session == machine.session {
      try relay?.handle(.reached(step: Int(header.step)))
    }
    try handle(event, payload: payload)
  }

  /// Handles a message of each relay and of another member of this one's own relay.
  ///
  /// - Returns: whether there was any.
  private func receiveRelayed() throws -> Bool {
    let messages = try links.receive()
    for (ticket, received) in messages where outcome == nil {
      // A relay's malformed message is as good as none: the coordinator sends what is missing.
      guard let frames = try? Frames(received.frames[...], total: received.total),
        let content = try? WorkerMachine.Content(frames, valueCount: { _, _ in 0 })
      else { continue }
      // One that reads the coordinator's memory has no vector for what relays pass on.
      if frames.header.kind == .parameters && outbox != nil { continue }
      try handle(.relayed(frames.header, content, ticket: ticket), payload: Payload(frames))
    }
    guard let relay else { return !messages.isEmpty }
    let received = try relay.receive()
    if let received { try push(relay.handle(received)) }
    let isHandedDown = try relay.group.receiveFromAbove(push)
    if relay.group.hasMembers != machine.servesGroup {
      try handle(.servesGroup(relay.group.hasMembers), payload: nil)
    }
    return received != nil || isHandedDown || !messages.isEmpty
  }

  /// Pushes sums of this member's relay to the coordinator.
  private func push(_ sums: [RelaySums.Push]) throws {
    guard let engine else { return }
    for push in sums {
      let header = Header(
        .push, run: machine.run, session: machine.session, step: UInt64(push.step),
        leaves: UInt32(push.node.start)..<UInt32(push.node.end), chunk: UInt32(push.chunk), task: .train,
        vector: engine.chunks.kind(push.chunk), element: engine.chunks.element(push.chunk))
      try socket.send(header, engine.message(of: push.sum.values, of: push.sum, chunk: push.chunk))
    }
  }

  /// Waits for data that the end of the run found loading. A process in which other code runs on needs that: if it
  /// exited while a thread compiles kernels, the thread could crash.
  package func waitForLoading() {
    loading.wait()
    close()
  }

  /// Closes the engine, and one that was loaded too late.
  private func close() {
    engine?.close()
    for case .loaded(let engine) in mailbox.notices.takeAll() { engine.close() }
  }

  private func handle(_ notice: WorkerNotice) throws {
    switch notice {
    case .loaded(let engine):
      self.engine?.close()
      self.engine = engine
      try relay?.load(engine.plan, engine.chunks, engine.onNonFinite)
      try handle(.loaded(engine.ready, engine.plan, engine.chunks), payload: nil)
    case .loadFailed(let reason): try handle(.loadFailed(reason), payload: nil)
    case .final(let node, let gradient, let chunks, let weight):
      gradients[node] = gradient
      try handle(.final(node, chunks: chunks, weight: weight), payload: nil)
    case .computed(let node, let metrics, let gradient):
      gradients[node] = gradient
      try handle(.computed(node, metrics), payload: nil)
    case .combined(let node, let chunks, let tensor):
      try handle(.combined(node, chunks: chunks, nonFinite: tensor), payload: nil)
    case .interrupted(let reason):
      isInterrupted = true
      try handle(.failed(reason), payload: nil)
    case .handshakeFailed(let hint): try handle(.handshakeFailed(hint), payload: nil)
    }
  }

  private func handle(_ event: WorkerMachine.Event, payload: Payload?) throws {
    for action in machine.handle(event, at: .now) {
      switch action {
      case .send(let header, let body): try send(header, body)
      case .load(let welcome): load(welcome)
      case .store(let chunk, let step, let element):
        guard let engine, let payload else { preconditionFailure("the machine stores a chunk that was not received") }
        let start = Instant.now
        engine.store(payload, chunk: chunk, step: step, element)
        timeline?.record(.receive, from: start, chunk: chunk)
      case .sendToRelay(let header, let body, let ticket): try links.send(header, message(body), to: ticket)
      case .link(let relays):
        try links.set(relays)
        poller = makePoller()
      case .group(let event): try handleGroup(event)
      case .connect(let way):
        guard uplink.set(way) else { continue }
        socket.close()
        (socket, monitor) = try uplink.connect(reportingTo: mailbox)
        poller = makePoller()
      case .setRelay(let routes, let run): try relay?.handle(.routes(routes, run: run))
      case .relay(let node, let step, let chunk):
        guard let relay else {
          throw TrainingError("the coordinator takes this worker for a relay, though it does not listen for others")
        }
        guard let engine, let gradient = gradients[node] else {
          preconditionFailure("\(node) has no gradient for the relay")
        }
        try push(
          relay.add(gradient.buffer.values[engine.chunks[chunk]], of: node, step: step, chunk: chunk))
      case .passOn(let chunk, let step, let element):
        guard let engine, let payload else { preconditionFailure("parameters that did not come cannot be passed on") }
        let header = Header(
          .parameters, run: machine.run, step: UInt64(step), chunk: UInt32(chunk), vector: engine.chunks.kind(chunk),
          element: element)
        try relay?.passOn(header, engine.message(of: payload, chunk: chunk, element))
      case .compute(let node, let task, let start):
        // The coordinator no longer reads gradients of earlier steps.
        if pushed.step != task.step { pushed = (task.step, []) }
        // What is pushed in shared memory costs no time on a link, and a single chunk is final when its gradient is.
        let reportsChunks = !pushesInPlace && engine?.chunks.count != 1
        engine?.compute(node, task, start, reportsChunks: reportsChunks)
      case .combine(let left, let right, let chunks):
        guard let leftGradient = gradients[left], let rightGradient = gradients[right] else {
          preconditionFailure("\(left) and \(right) have no gradients to add")
        }
        let parent = Node(left.start..<right.end)
        gradients[parent] = leftGradient
        engine?.combine(leftGradient, rightGradient, chunks, into: parent)
      case .forget(let node): gradients[node] = nil
      case .release(let node):
        let gradient = gradients.removeValue(forKey: node)
        if pushesInPlace, let gradient { pushed.gradients.append(gradient) }
      case .cancel:
        gradients.removeAll()
        engine?.cancel()
      case .end(let failure):
        outcome = failure.map { .failure($0) } ?? .success
        engine?.cancel()
      }
    }
    outbox?.flush()
  }

  /// Tells what serves those behind this member of its own session.
  private func handleGroup(_ event: GroupMachine.Event) throws {
    guard let relay else { return }
    guard case .own(let node, let step, let chunk) = event else {
      try push(relay.group.handle(event))
      return
    }
    guard let engine, let gradient = gradients[node] else {
      preconditionFailure("\(node) has no gradient for the sums of those behind")
    }
    try push(relay.group.add(gradient.buffer.values[engine.chunks[chunk]], of: node, step: step, chunk: chunk))
  }

  /// Sends a message. A gradient in shared memory goes as a record; so do metrics, which must arrive after it.
  private func send(_ header: Header, _ body: WorkerMachine.Body) throws {
    let start = Instant.now
    defer {
      if let timeline, header.kind == .push {
        timeline.record(
          .push, from: start, step: Int(header.step), leaves: header.leafRange, chunk: Int(header.chunk))
      }
    }
    if pushesInPlace, let outbox {
      switch body {
      case .gradient(let node, _):
        lastPushIsInPlace = false
        guard let index = gradients[node].flatMap({ engine?.sharedIndex(of: $0) }) else { break }
        lastPushIsInPlace = true
        var header = header
        header.sharedSlot = UInt64(index) + 1
        outbox.append(header)
        return
      case .metrics(let metrics) where lastPushIsInPlace || header.task != .train:
        outbox.append(header, metrics.encoded)
        return
      case .metrics, .none, .hello, .ready, .reason, .missing: break
      }
    }
    try socket.send(header, message(body))
  }

  private func message(_ body: WorkerMachine.Body) -> Message? {
    switch body {
    case .none: return nil
    case .hello: return Message(Hello(name: name, threads: threads, relay: relay?.offer).encodedPayload())
    case .missing(let chunks): return Message(chunks.encodedPayload())
    case .ready(var ready):
      ready.host = openSharedMemory(offeredNames)
      return Message(ready.encodedPayload())
    case .reason(let reason): return Message(Reason(reason: reason).encodedPayload())
    case .metrics(let metrics): return Message(metrics.encoded)
    case .gradient(let node, let chunk):
      guard let engine, let gradient = gradients[node] else { preconditionFailure("\(node) has no gradient to push") }
      return engine.message(of: gradient.buffer.values[engine.chunks[chunk]], of: gradient, chunk: chunk)
    }
  }

  /// Opens the coordinator's shared memory if possible; returns the names of this worker's.
  private func openSharedMemory(_ names: SharedMemoryNames?) -> SharedMemoryNames? {
    outbox = nil
    guard let names, let inbox, let vectors = engine?.shareMemory(names.vectors), let outbox = RecordOutbox(names.inbox)
    else { return nil }
    self.outbox = outbox
    return SharedMemoryNames(vectors: vectors, inbox: inbox.name)
  }

  /// Loads the data on its own thread, so that pings are answered meanwhile.
  private func load(_ welcome: Welcome) {
    let (threads, loadTask, mailbox, timeline) = (threads, loadTask, mailbox.notices, timeline)
    loading.enter()
    let thread = Thread { [loading] in
      defer { loading.leave() }
      do {
        if let job = welcome.summed, threads == 0 {
          mailbox.post(.loaded(RelayEngine(job, welcome)))
          return
        }
        let task = try loadTask(welcome)
        mailbox.post(.loaded(try makeEngine(task, welcome, threads: threads, mailbox: mailbox, timeline)))
      } catch {
        mailbox.post(.loadFailed("\(error)"))
      }
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
}

/// Passes notices of other threads to a worker.
package final class WorkerMailbox: Sendable {
  let notices: Mailbox<WorkerNotice>

  init(_ waker: Waker) {
    notices = Mailbox { waker.wake() }
  }

  /// Ends the worker.
  package func fail(_ reason: String) {
    notices.post(.interrupted(reason))
  }
}
