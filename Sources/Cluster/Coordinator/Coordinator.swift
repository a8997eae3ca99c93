internal import Datasets
internal import Foundation
package import Kernels
internal import Models
internal import Optimizers
package import Protocol
internal import Reduction
internal import Schema
internal import ZeroMQ

/// Bytes that may wait to be received, for each worker.
private let receivedBytes = 16 << 20

/// Holds the parameters and runs the steps. Carries out what ``CoordinatorMachine`` decides.
///
/// Only the thread that made it may use it; others use its ``mailbox``.
package final class Coordinator {
  /// The address for workers, with the port that the system chose.
  package let address: String
  package let mailbox: CoordinatorMailbox
  private let training: CoordinatedRun
  /// The parameters after the last step.
  package var parameters: FloatBuffer { store.evaluated }
  /// What this holds for each parameter beside the parameter itself.
  package var stateBytesPerParameter: Double { store.optimizer.stateBytesPerParameter }
  /// Called ten times a second while ``run(_:)`` runs. Its error ends the run.
  package var onTick: (() throws -> Void)?
  /// Called with the sums of gradients of each chunk of parameters before they are used: the step, counted from 1, the
  /// chunk's range, the sums, and the weight to divide by. Nil for no one.
  package var onGradient: ((_ step: Int, _ range: Range<Int>, _ sums: Floats, _ weight: Double) -> Void)?

  /// The file of an `ipc://` address.
  private let socketFile: SocketFile?
  let socket: Socket
  private let memory: MemoryWatch
  /// The process' memory at the start of the run, in bytes. It may include what loading the data left.
  private var residentAtStart = 0
  private let listener: Listener
  private let waker: Waker
  private var poller: Poller
  private var nextTick = Instant.now
  private(set) var machine: CoordinatorMachine
  private(set) var store: ParameterStore
  /// Steps done by the parameters in the store.
  private(set) var step: Int
  /// The number of steps after which each part was last evaluated.
  private var evaluatedSteps: [HeldOutPart: Int]
  let chunks: ChunkLayout
  let plan: StepPlan
  private let layout: ParameterLayout
  let welcome: Welcome
  private let localPeers = LocalPeers()
  /// Whether the last HELLO or READY came from a process of this user on this machine.
  private(set) var isLocalPeer = false
  private let sums: ChunkSums
  private(set) var links: LocalLinks
  private var clock: CoordinatorClock
  private let cores: Int
  private var outcome: Outcome?

  private enum Outcome {
    case success
    case failure(TrainingError)
  }

  /// Initializes the parameters and listens on `endpoint`.
  ///
  /// - Parameters:
  ///   - awaitedWorkers: workers to wait for before the first step; 0 starts with the first.
  ///   - saved: the state to resume from; nil starts a new run.
  ///   - acceptsOtherNumerics: whether workers with another digest may take part.
  ///   - topology: the way that gradients and parameters take between members; nil for one by the speed of their links.
  ///   - usesAllWorkers: whether workers compute that make steps longer.
  ///   - cores: of this machine, as many as are for this run.
  ///   - security: the keys that may connect; nil lets anyone connect.
  /// - Throws: ``TrainingError`` if it cannot listen on the address.
  package init(
    _ run: CoordinatedRun, binding endpoint: String, awaitedWorkers: Int, resuming saved: SavedState? = nil,
    sharesMemory: Bool = true, acceptsOtherNumerics: Bool = false, security: CoordinatorSecurity? = nil,
    timeline: Timeline? = nil, limits: Limits = Limits(), chunkSize: Int? = nil, topology: Topology? = nil,
    usesAllWorkers: Bool = false, memory: MemoryWatch = .system,
    cores: Int = ProcessInfo.processInfo.activeProcessorCount
  ) throws {
    (training, self.cores) = (run, cores)
    self.memory = memory
    clock = CoordinatorClock(timeline)
    step = saved?.step ?? 0
    evaluatedSteps = saved?.evaluatedSteps ?? [:]
    waker = Waker()
    mailbox = CoordinatorMailbox(waker)
    let usual = isLocal(endpoint) ? ChunkLayout.defaultSize : ChunkLayout.networkSize(run.model.layout.parameterCount)
    let chunks = ChunkLayout(
      run.model.layout, moments: run.plan.local.map { _ in run.optimizer.slots.count }, size: chunkSize ?? usual,
      precision: run.precision, isAveraged: run.optimizer.evaluated != nil)
    let context = Context(encrypts: security != nil)
    socket = try Socket(context, .router)
    listener = try Listener(socket, of: context, security) { [mailbox] in mailbox.warn($0) }
    try socket.set(.linger(milliseconds: 30_000))
    try socket.set(.reportsGonePeers)
    try socket.set(.longestRetransmission(milliseconds: limits.silenceLimitMilliseconds))
    try socket.set(.handshakeInterval(milliseconds: limits.silenceLimitMilliseconds))
    // A worker has at most two steps' parameters in flight. A peer that lets more pile up does not read.
    try socket.set(.sendLimit(Int32(clamping: 3 * chunks.count + 1000)))
    let ready = Ready(data: run.fingerprint, layout: run.model.layout, numerics: run.numerics)
    let largest = max(chunks.size * MemoryLayout<Float>.size, 2 * ready.encodedPayload().count, 1 << 16)
    try socket.set(.maximumMessageSize(Int64(largest + CurveKeyPair.messageOverhead)))
    // Backpressure: what is not received yet stays with the sender.
    let received = receivedBytes / (chunks.size * MemoryLayout<Float>.size)
    try socket.set(.receiveLimit(Int32(clamping: min(max(received, 8), 1000))))
    try checkEndpoint(endpoint, of: "bind")
    socketFile = try socketPath(endpoint).map { try SocketFile($0) }
    if let socketFile { try socket.set(.listening(socketFile.descriptor)) }
    try socket.listen(endpoint)
    address = try socket.lastEndpoint
    (self.chunks, plan) = (chunks, run.plan)
    layout = run.model.layout
    if let saved {
      store = ParameterStore(saved, chunks, run.optimizer, isShared: sharesMemory)
    } else {
      store = ParameterStore(chunks, run.optimizer, isShared: sharesMemory) {
        if let initial = run.initial { $0.copy(initial.values) } else { run.model.initialize($0, seed: run.seed) }
      }
    }
    links = LocalLinks(sharing: store.shared, chunks, warnsIfUnshared: sharesMemory)
    poller = Poller(socket, waker, pipe: links.inbox?.readEnd)
    welcome = Welcome(
      job: run.job, onNonFinite: run.onNonFinite,
      scaling: FeatureScaling(offset: run.scaling.offset, factor: run.scaling.factor), recipe: run.recipe,
      chunkSize: chunks.size)
    // The products of one small chunk take less time than to wake a thread is worth.
    sums = ChunkSums(chunks, layout, timeline, isSlow: run.optimizer.transformsTensors && chunks.count > 1) { [waker] in
      waker.wake()
    }
    machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: UInt64.random(in: 1...UInt64.max), session: { _ in UInt64.random(in: 1...UInt64.max) }, start: step,
        evaluatedSteps: evaluatedSteps, skippedSteps: step - store.optimizer.state.updates, plan: run.plan,
        chunks: chunks,
        fingerprint: run.fingerprint, layout: layout, numerics: run.numerics,
        acceptsOtherNumerics: acceptsOtherNumerics, awaitedWorkers: awaitedWorkers,
        topology: topology, usesAllWorkers: usesAllWorkers, metrics: run.model.metrics,
        targetVariation: run.targetVariation,
        onNonFinite: run.onNonFinite, updatesTogether: run.plan.local == nil && store.optimizer.needsWholeGradient,
        ways: Coordinator.ways(to: address, security), advice: run.advice, limits: limits))
  }

  /// Where members behind relays may reach a coordinator that listens on `address`.
  private static func ways(to address: String, _ security: CoordinatorSecurity?) -> [Ways.Alternative] {
    guard address.hasPrefix("tcp://"), !["0.0.0.0", "[::]", "*"].contains(where: { address.hasPrefix("tcp://\($0):") })
    else { return [] }
    return [Ways.Alternative(address: address, key: security.map { "\($0.pair.publicKey)" })]
  }

  deinit {
    // The threads use what the store holds.
    sums.close()
  }

  /// After ``run(_:)``: waits until every worker has answered the GOODBYE or is gone, or until
  /// ``Limits/shutdownTimeout``.
  package func waitForWorkers() {
    clock = CoordinatorClock(nil)
    // An error here does not change how the run ended.
    while outcome != nil, !socket.isClosed, !machine.isShutDown, (try? handleNextEvents { _ in }) != nil {}
  }

  /// Runs to the end. An error of `observe` ends the run with that error.
  ///
  /// - Throws: ``TrainingError`` with the root cause if the run fails.
  package func run(_ observe: (TrainingEvent) throws -> Void) throws {
    residentAtStart = MemoryWatch.residentBytes ?? 0
    try handle(.started, observe)
    while outcome == nil { try handleNextEvents(observe) }
    if case .failure(let error) = outcome { throw error }
  }

  /// Waits for messages, notices or the next tick and handles them; returns early when the run ends or, after the run,
  /// when the last worker has left.
  private func handleNextEvents(_ observe: (TrainingEvent) throws -> Void) throws {
    let wasOver = outcome != nil
    func isRunning() -> Bool { wasOver ? !machine.isShutDown : outcome == nil }
    let now = Instant.now
    let tick = min(nextTick, machine.nextTakeover(after: now) ?? nextTick)
    var waitMilliseconds = max(0, Int((tick.seconds(since: now) * 1000).rounded(.up)))
    if links.flush() { waitMilliseconds = min(waitMilliseconds, 5) }
    try poller.wait(
      milliseconds: links.inbox?.hasUnread == true ? 0 : waitMilliseconds, polls: machine.shouldPoll(cores: cores))
    clock.timeline?.record(.wait, from: now)
    waker.clear()
    for notice in mailbox.takeAll() {
      switch notice {
      case .processEnded(let name, let description, let isReplaced):
        try handle(.processEnded(name: name, description, isReplaced: isReplaced), observe)
      case .failed(let reason): try handle(.failed(reason), observe)
      case .stop(let reason): try handle(.stop(reason), observe)
      case .warning(let text): try report(.warning(text), observe)
      }
    }
    try handleAnswers(observe)
    // Bounded, so that many messages do not delay ticks and notices.
    for _ in 0..<1000 {
      let start = Instant.now
      guard isRunning(), let received = try socket.receiveFrames(limit: 3) else { break }
      clock.countReceive(since: start)
      try receive(received, since: start, observe)
      try handleAnswers(observe)
    }
    for _ in 0..<1000 {
      let start = Instant.now
      guard isRunning(), let record = links.inbox?.next() else { break }
      try receive(record, since: start, observe)
      try handleAnswers(observe)
    }
    let woken = Instant.now
    if woken >= tick {
      nextTick = woken.advanced(by: 0.1)
      try handle(.tick, observe)
      try checkMemory(observe)
      if outcome == nil, let onTick { try orFail(onTick) }
    }
  }

  private func handleAnswers(_ observe: (TrainingEvent) throws -> Void) throws {
    for answer in sums.takeAnswers() { try handle(answer, observe) }
  }

  private func handle(_ answer: ChunkSums.Answer, _ observe: (TrainingEvent) throws -> Void) throws {
    clock.countSumming(seconds: answer.seconds)
    try handle(answer.event, observe)
  }

  /// The run after its last complete step; nil while its moments are being overwritten (``ParameterStore/isWhole``). To
  /// be called by `observe`, or after the run.
  package var state: SavedState? {
    sums.finish()
    guard store.isWhole else { return nil }
    return SavedState(
      step: step, evaluatedSteps: evaluatedSteps, optimizer: store.state, parameters: store.model,
      slots: store.slots, average: chunks.isAveraged ? store.evaluated : nil)
  }

  /// Ends the run and closes the socket if this process uses too much memory.
  private func checkMemory(_ observe: (TrainingEvent) throws -> Void) throws {
    guard outcome == nil, let problem = memory.problem(usual: usualMemory) else { return }
    try handle(.failed(problem), observe)
    try socket.set(.linger(milliseconds: 1000))
    socket.close()
  }

  /// The most bytes that a run needs if all peers are honest: the memory at its start, its vectors, gradients of its
  /// workers in shared memory or in the socket, and 256 MiB for the rest.
  private var usualMemory: Int {
    let vectors = MemoryWatch.vectorBytes(
      chunks.valueCount, store.optimizer, chunks.precision, workers: machine.members.count)
    return residentAtStart + vectors + machine.members.count * 2 * receivedBytes + 256 << 20
  }

  private func receive(
    _ received: ReceivedFrames, since start: Instant, _ observe: (TrainingEvent) throws -> Void
  ) throws {
    guard let peer = CoordinatorMachine.Peer(identity: received.frames[0].bytes) else { return }
    try receive(from: peer, at: received.frames.last?.peerAddress, since: start, observe) { () throws(WireError) in
      try Frames(received.frames.dropFirst(), total: received.total - 1)
    }
  }

  /// The session in a record tells its sender.
  private func receive(
    _ record: UnsafeRawBufferPointer, since start: Instant, _ observe: (TrainingEvent) throws -> Void
  ) throws {
    guard let frames = try? Frames(record: record),
      let peer = links.peer(of: frames.header.session)
    else { return }
    try receive(from: peer, at: nil, since: start, observe) { () throws(WireError) in frames }
  }

  private func receive(
    from peer: CoordinatorMachine.Peer, at address: @autoclosure () -> String?, since start: Instant,
    _ observe: (TrainingEvent) throws -> Void,
    _ read: () throws(WireError) -> Frames
  ) throws {
    let event: CoordinatorMachine.Event
    var gradient: FloatBuffer?
    decode: do throws(WireError) {
      let frames = try read()
      let header = frames.header
      // Not read, because many may come.
      if header.kind == .hello, machine.ignoresHello(from: peer, at: start) { return }
      guard header.kind == .hello || machine.isMember(peer, header) else {
        event = .received(header, .none, from: peer)
        break decode
      }
      if header.kind == .hello || header.kind == .ready { isLocalPeer = localPeers.contains(address()) }
      if header.kind == .push {
        gradient = self.gradient(of: frames, from: peer)
        clock.timeline?.record(
          .receive, from: start, step: Int(header.step), leaves: header.leafRange, chunk: Int(header.chunk),
          worker: machine.members[peer]?.number)
      }
      // In stop mode honest workers never push a non-finite gradient. If one arrives all the same, the worker is at
      // fault: it is expelled, and the run goes on.
      // A relay's sums of others' gradients may overflow.
      if let gradient, training.onNonFinite == .stop, !machine.isRelayed(header, from: peer),
        !gradient.values.areFinite
      {
        throw .notFinite
      }
      var content = try CoordinatorMachine.Content(frames, gradient)
      // Opened before it is admitted, because it may get leaves at once.
      if case .ready(var ready) = content, machine.refusal(of: ready) == nil {
        links.open(isLocalPeer ? ready.host : nil, with: peer, header.session, keeping: machine.members.keys)
        if links.outbox(to: peer) == nil { ready.host = nil }
        content = .ready(ready)
      }
      event = .received(header, content, from: peer)
    } catch {
      event = .malformed(error, from: peer)
    }
    try handle(event, gradient: gradient, observe)
    if case .received(_, .ready, _) = event, let member = machine.members[peer],
      let warning = links.warning(of: member, peer)
    {
      try report(.warning(warning), observe)
    }
  }

  /// The gradient that a PUSH carries or names; nil if it has none.
  private func gradient(of frames: Frames, from peer: CoordinatorMachine.Peer) -> FloatBuffer? {
    switch Payload(frames) {
    case .frame(let message): return message.floats(of: frames.header.element)
    case .shared(let index): return links.gradient(index, chunk: Int(frames.header.chunk), of: peer)
    case nil: return nil
    }
  }

  /// Carries out the machine's actions. Events are reported last, so that workers do not wait for the observer. Then
  /// the machine gets the answers, and the peers to which nothing could be sent.
  private func handle(
    _ event: CoordinatorMachine.Event, gradient: FloatBuffer? = nil, _ observe: (TrainingEvent) throws -> Void
  ) throws {
    var reports: [TrainingEvent] = []
    var answers: [ChunkSums.Answer] = []
    var gone: [CoordinatorMachine.Peer] = []
    func apply(_ operation: ChunkSums.Operation, to chunk: Int) {
      if let answer = sums.apply(operation, to: chunk, step: step) { answers.append(answer) }
    }
    // Of the round, if this event ends one.
    let (first, updates) = (step, store.state.updates)
    for action in machine.handle(event, at: .now) {
      let start = Instant.now
      switch action {
      case .send(let header, let body, let peer):
        if try !send(header, body, to: peer) { gone.append(peer) }
      case .keep(let node, let chunk):
        guard let gradient else { preconditionFailure("the machine keeps a gradient that was not received") }
        apply(.keep(node, gradient), to: chunk)
      case .combine(let left, let right, let chunk): apply(.combine(left: left, right: right), to: chunk)
      case .discard(let node, let chunk): apply(.discard(node), to: chunk)
      case .check(let chunk): apply(.check, to: chunk)
      case .update(let chunk, let number, let weight):
        let next = plan.stepAfter(step)
        store.begin(number, steps: next - step, isLast: next == plan.totalSteps, weight: weight) {
          sums.roots.prefix(chunks.parameterChunks).enumerated().map { (chunks[$0], $1) }
        }
        if let onGradient, plan.local == nil, chunk < chunks.parameterChunks {
          onGradient(step + 1, chunks[chunk], sums.root(chunk).values, weight)
        }
        clock.countSumming(seconds: Instant.now.seconds(since: start))
        apply(.update(store.update(chunk, examples: plan.positions(ofStep: step).count)), to: chunk)
      case .advance:
        store.advance()
        step = plan.stepAfter(step)
      case .skip: step = plan.stepAfter(step)
      case .report(let event):
        if case .evaluation(let evaluation) = event {
          if evaluation.part == plan.evaluatedPart { store.recordEvaluation(loss: evaluation.loss) }
          evaluatedSteps[evaluation.part] = evaluation.step
        }
        let timed = clock.addTimes(to: event, plan) { [store] step in
          plan.local == nil
            ? store.optimizer.step.learningRate : store.optimizer.learningRate(ofUpdate: updates + step - first)
        }
        reports.append(withWholeGradient(timed))
      case .end(let failure): outcome = failure.map { .failure($0) } ?? .success
      }
      clock.account(action, since: start) { machine.members[$0]?.number }
    }
    links.flush()
    for event in reports { try report(event, observe) }
    for answer in answers { try handle(answer, observe) }
    for peer in gone { try handle(.unreachable(peer), observe) }
  }

  /// Adds what the whole gradient of a step was needed for: the time of whole tensors' transformations, and the gradient's
  /// square.
  private func withWholeGradient(_ event: TrainingEvent) -> TrainingEvent {
    guard case .step(var report) = event, !report.isSkipped else { return event }
    if store.optimizer.transformsTensors { report.tensorSeconds = min(store.beginSeconds, report.sumUpdateSeconds) }
    if let squares = store.optimizer.gradientSquares {
      NoiseScale.complete(&report.sums, squares: squares, weight: report.weight)
    }
    return .step(report)
  }

  /// An error of the observer, for example a full disk, ends the run for all workers.
  private func report(_ event: TrainingEvent, _ observe: (TrainingEvent) throws -> Void) throws {
    try orFail { try observe(event) }
  }

  private func orFail(_ work: () throws -> Void) throws {
    do {
      try work()
    } catch {
      if outcome == nil { try handle(.failed("\(error)")) { _ in } }
      throw error
    }
  }
}
