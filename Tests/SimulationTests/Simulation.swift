import Foundation
import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Both state machines with a virtual clock, processes and a network, of which a seed decides everything.
///
/// Time jumps from event to event. Messages of one connection stay in order; everything else happens in any order.
/// What becomes of processes and connections is in `Simulation+Faults.swift`, and how the machines' actions are carried
/// out in `Simulation+Drivers.swift`.
struct Simulation {
  typealias Peer = CoordinatorMachine.Peer

  enum Event {
    case tickCoordinator(life: Int)
    case takeOver(life: Int)
    /// A thread of the coordinator does what is to be done first with a chunk.
    case operation(chunk: Int, life: Int)
    /// What such a thread has found comes to the network thread.
    indirect case answer(CoordinatorMachine.Event, life: Int)
    case tickWorker(Int)
    /// The connection's next message arrives.
    case arrival(connection: Int)
    case departure(connection: Int)
    /// The link's next message arrives at the relay, or at the member.
    case relayArrival(link: Int)
    case relayDeparture(link: Int)
    /// The member notices that the link is dead.
    case relink(Int)
    /// The next message between a member and its relay arrives.
    case hopArrival(Int)
    case hopDeparture(Int)
    case rehop(Int)
    /// What was sent before the connection began comes late, out of order.
    indirect case late(connection: Int, ToCoordinator)
    /// The connection is there.
    case established(connection: Int)
    /// The coordinator learns that a connection is gone.
    case unreachable(connection: Int)
    case done(process: Int, Task, cancellations: Int)
    case fault
    /// The worker notices that the connection is dead.
    case reconnect(connection: Int)
    /// A local worker's process has ended.
    case processEnded(Int, isKilled: Bool)
    case stop
    case supervise
    case coordinatorStarts
  }

  struct ToCoordinator {
    var header: Header
    var content: CoordinatorMachine.Content
    var payload: Span?
  }

  struct ToWorker {
    var header: Header
    var content: WorkerMachine.Content
    var payload: Span?
  }

  enum Task {
    case load
    case node(Node, StepTask, RoundStart?)
    /// Some chunks of that node's gradient are final.
    case part(Node, StepTask)
    case sum(Node, left: Vector, right: Vector, chunks: [Int])
  }

  /// How the coordinator learns that a connection is gone, if not by silence.
  enum Notice: CaseIterable { case atOnce, onSend, never }

  /// Its index + 1 is the peer's name on the ROUTER socket.
  struct Connection {
    let process: Int
    /// The member behind the process that it is for, by its connection to the process; nil for the process itself.
    var hop: Int?
    var isOpen = true
    var isEstablished: Bool
    var notice = Notice.never
    /// Whether what is sent goes nowhere, though neither end has noticed.
    var losesToCoordinator = false
    var losesToWorker = false
    /// On their way, in order, and when the last of them arrives.
    var toCoordinator: [ToCoordinator] = []
    var toWorker: [ToWorker] = []
    var lastArrival: Int64 = 0
    var lastDeparture: Int64 = 0
    /// The last ones sent.
    var sent: [ToCoordinator] = []
  }

  /// What a worker has not sent when it dies, though it has sent what comes before.
  enum LastMessage: CaseIterable {
    case statistics, metrics

    func isThat(_ header: Header) -> Bool {
      switch self {
      case .statistics: header.kind == .push && header.vector == .statistics
      case .metrics: header.kind == .metrics
      }
    }
  }

  /// Holds the machine, which cannot be copied as the simulation can.
  final class CoordinatorProcess {
    var machine: CoordinatorMachine

    init(_ configuration: CoordinatorMachine.Configuration) { machine = CoordinatorMachine(configuration) }
  }

  final class Process {
    var machine: WorkerMachine
    let threads: Int
    /// The coordinator's life that it was started in, and how often it has been replaced.
    let life: Int
    let restarts: Int
    /// The process that is its relay; nil for the coordinator.
    var behind: Int?
    var route = Route.connection(-1)
    var group: Group?
    /// Whether it shares memory with the coordinator.
    let sharesMemory: Bool
    /// Where parameters go that come in messages, by how they are written.
    let received: [ElementKind: [Vector]]
    /// What it computes with: those, or the coordinator's.
    var parameters: [ElementKind: [Vector]]
    var gradients: [Node: Vector] = [:]
    /// Gradients that are being computed, and the chunks of each that are not final.
    var computing: [Node: (task: StepTask, gradient: Vector, open: [Int])] = [:]
    /// Where it listens for other members; nil for nowhere.
    let relayAddress: String?
    var relay: RelayMachine?
    var relaySums: [Int: [Node: [Float]]] = [:]
    /// By ticket.
    var links: [UInt64: Int] = [:]
    /// The gradients of one step that the coordinator may still read.
    var pushed: (step: Int, gradients: [Vector]) = (-1, [])
    var cancellations = 0
    /// When each compute thread is free.
    var threadsFree: [Int64]
    var slowness = 1.0
    var isAlive = true
    /// Whether it ends as soon as those behind it know that the run is over.
    var isEnding = false
    /// The message at whose arrival it is killed, with that message and what follows it.
    var diesBefore: LastMessage?
    /// Until when it is stopped, its network too.
    var pausedUntil: Int64 = 0
    /// Until when it does not compute.
    var frozenUntil: Int64 = 0

    init(
      _ machine: consuming WorkerMachine, threads: Int, life: Int, restarts: Int, behind: Int?, group: Group?,
      sharesMemory: Bool, received: [ElementKind: [Vector]], relayAddress: String?, at now: Int64
    ) {
      self.machine = machine
      (self.threads, self.life, self.restarts, self.behind) = (threads, life, restarts, behind)
      (self.group, self.sharesMemory, self.received, parameters) = (group, sharesMemory, received, received)
      self.relayAddress = relayAddress
      threadsFree = Array(repeating: now, count: threads)
    }

    /// Its own connection to the coordinator; nil for one behind a relay.
    var connection: Int? { if case .connection(let index) = route { index } else { nil } }
  }

  /// Something to be done with a chunk's sums.
  struct Operation {
    let action: CoordinatorMachine.Action
    /// The gradient to keep.
    let payload: Span?

    var isDiscard: Bool { if case .discard = action { true } else { false } }
  }

  struct Checkpoint {
    var parameters: [Float] = []
    /// Empty where evaluations read the parameters.
    var averages: [Float] = []
    var step = 0
    var updates = 0
    var result = RunResult()
    var evaluatedSteps: [HeldOutPart: Int] = [:]
  }

  static let stopReason = "interrupted by SIGINT"

  let scenario: Scenario
  let model: TinyModel
  var random: SeededGenerator
  var now: Int64 = 0
  var queue = EventQueue<Event>()
  var connections: [Connection] = []
  var processes: [Process] = []
  var links: [Link] = []
  var hops: [Hop] = []
  /// The hop of the member that a hop of its relay is for; nil for one of the relay's own.
  var hopOwners: [Int?] = []

  /// Nil while its process is dead.
  var coordinator: CoordinatorProcess?
  var lives = 0
  /// Whether something has happened to it since its bounds were checked.
  var isCoordinatorChanged = false
  /// Until when it is stopped.
  var coordinatorPausedUntil: Int64 = 0
  /// Until when the run must have ended that was asked to stop.
  var stopDue: Int64?
  var current = Vector([])
  var updated = Vector([])
  /// What workers train with in a job of bf16: copies of those, rounded.
  var rounded = (current: Vector([]), updated: Vector([]))
  /// What evaluations read in a job that averages; otherwise empty.
  var averages = (current: Vector([]), updated: Vector([]))
  var step = 0
  var updates = 0
  var scale: (number: Int, scale: Float) = (0, 1)
  var sums: [[Node: Span]] = []
  /// What is still to be done with each chunk, in order, and when the last of it is done.
  var lanes: [[Operation]] = []
  var laneEnds: [Int64] = []
  var saved = Checkpoint()
  var result = RunResult()
  var evaluatedSteps: [HeldOutPart: Int] = [:]
  /// Chunks updated in a step that is not advanced from.
  var pendingUpdates: Set<Int> = []
  var warnings: [String] = []

  var faultsLeft: Int
  /// Whether no worker will ever come again.
  var isDeserted = false
  /// Whether a local worker could not be started again.
  var isWorkerMissing = false
  /// Until when the present faults last.
  var disturbedUntil: Int64 = 0
  /// Whether any fault has happened.
  var hasFailed = false
  /// The slowest worker's slowness.
  var worstSlowness = 1.0
  /// Nanoseconds that the whole run takes one worker with one thread that is not slow, if all goes badly.
  let workTime: Double
  /// How the run ended: nil while it runs, "" for success.
  var outcome: String?
  /// The first thing that must not happen and did.
  var violation: String?
  var printsEvents = false

  /// A run of which `seed` decides all that `scenario` leaves open.
  init(seed: UInt64, _ scenario: Scenario? = nil) {
    random = SeededGenerator(seed: seed)
    self.scenario = scenario ?? Scenario(using: &random)
    model = TinyModel(
      plan: self.scenario.plan, poison: self.scenario.poison, precision: self.scenario.precision,
      isAveraged: self.scenario.isAveraged)
    saved.parameters = model.initial
    if model.isAveraged { saved.averages = model.initial }
    workTime = Double(self.scenario.leafCount) * (0.04 + 4 * self.scenario.longestSum) * 1e9
    faultsLeft = self.scenario.faults
    startCoordinator()
    if !self.scenario.isLocal { for _ in 0..<self.scenario.workers { startWorker() } }
    schedule(.fault, after: fewMoments())
    if let stop = self.scenario.stop { schedule(.stop, after: stop.after) }
    schedule(.supervise, after: 2)
  }

  var instant: Instant { Instant(nanoseconds: now) }
  var seconds: Double { Double(now) * 1e-9 }

  mutating func schedule(_ event: Event, after seconds: Double) {
    queue.add(event, at: now + Int64(seconds * 1e9))
  }

  /// Seconds, with all magnitudes alike.
  mutating func magnitude(_ range: ClosedRange<Double>) -> Double {
    range.lowerBound * pow(range.upperBound / range.lowerBound, Double.random(in: 0...1, using: &random))
  }

  mutating func chance(_ one: Int, in all: Int) -> Bool { Int.random(in: 0..<all, using: &random) < one }

  func log(_ text: @autoclosure () -> String) {
    if printsEvents { print("\(seconds) s: \(text())") }
  }

  mutating func violate(_ text: String) {
    violation = violation ?? "at \(seconds) s: \(text)"
  }

  /// Runs to the end; what went wrong, or nil where the run ends with the undisturbed one's bits or with the error that
  /// the scenario calls for.
  mutating func run() -> String? {
    runToEnd()
    if let violation { return violation }
    switch outcome {
    case "":
      let expected = scenario.expected.result
      return result == expected ? nil : "it ends with \(result) and not with \(expected)"
    case "no worker for 300 s: start some with `lockstep worker --connect …`" where isDeserted: return nil
    // Where the last hello of a worker that is gone arrives late.
    case .some(let failure) where isDeserted && failure.hasPrefix("no worker has its data after 300 s"): return nil
    case Self.stopReason where stopDue != nil: return nil
    case "a worker that was killed cannot be started again" where isWorkerMissing: return nil
    case .some(let failure)
    where scenario.isLocal && !processes.contains(where: \.isAlive)
      && (failure.contains(" has left, and none is left: ") || failure.hasPrefix("no worker could start; the last: ")):
      return nil
    default: return "it ends with: \(outcome ?? "nothing")"
    }
  }

  /// Runs until ``outcome`` or ``violation`` is there.
  mutating func runToEnd() {
    var events = 0
    while outcome == nil, violation == nil, let (time, event) = queue.removeFirst() {
      now = time
      happen(event)
      if queue.count > 1000 { violate("\(queue.count) events are queued") }
      if isCoordinatorChanged { checkBounds() }
      isCoordinatorChanged = false
      if outcome == Self.stopReason, stopDue != nil, scenario.stop?.isResumed == true, violation == nil { resume() }
      events += 1
      if events > 500_000 { violate("it has not ended after \(events) events") }
      if now > latestEnd { violate("it has not ended \(Double(now - disturbedUntil) * 1e-9) s after the last fault") }
    }
    result.parameters = (current.values + averages.current.values).map(\.bitPattern)
  }

  private mutating func happen(_ event: Event) {
    switch event {
    case .tickCoordinator(let life):
      guard life == lives, coordinator != nil, !isPostponed(event) else { return }
      handle(.tick)
      schedule(event, after: scenario.tick)
    case .takeOver(let life):
      if life == lives, coordinator != nil, !isPostponed(event) { handle(.tick) }
    case .operation(let chunk, let life):
      if life == lives, coordinator != nil, outcome == nil, !isPostponed(event) { operate(on: chunk) }
    case .answer(let answer, let life):
      if life == lives, coordinator != nil, !isPostponed(event) { handle(answer) }
    case .tickWorker(let process):
      guard processes[process].isAlive, !isPostponed(event, process) else { return }
      handle(.tick, at: process)
      handleGroup(.tick(instant), at: process)
      schedule(event, after: scenario.tick)
    case .arrival(let index):
      guard connections[index].isOpen, !connections[index].toCoordinator.isEmpty, !isPostponed(event) else { return }
      let message = connections[index].toCoordinator.removeFirst()
      if dies(before: message.header, on: index) { return }
      receive(message, on: index)
    case .late(let index, let message):
      if connections[index].isOpen, !isPostponed(event) { receive(message, on: index) }
    case .departure(let index):
      let process = connections[index].process
      guard connections[index].isOpen, processes[process].isAlive, !connections[index].toWorker.isEmpty,
        !isPostponed(event, process)
      else { return }
      let message = connections[index].toWorker.removeFirst()
      deliver(message, to: process, for: connections[index].hop)
    case .established(let index):
      guard connections[index].isOpen, coordinator != nil, !connections[index].isEstablished, !isPostponed(event)
      else { return }
      log("connection \(index + 1) of worker \(connections[index].process) is there")
      connections[index].isEstablished = true
      for _ in connections[index].toCoordinator { scheduleArrival(on: index) }
    case .relayArrival(let index):
      if !isPostponed(event, links[index].relay) { arriveAtRelay(index) }
    case .relayDeparture(let index):
      if !isPostponed(event, links[index].member) { arriveFromRelay(index) }
    case .relink(let index): breakLink(index)
    case .hopArrival(let index):
      if !isPostponed(event, hops[index].relay) { arriveAtHop(index) }
    case .hopDeparture(let index):
      if !isPostponed(event, hops[index].member) { arriveFromHop(index) }
    case .rehop(let index): breakHop(index)
    case .unreachable(let index):
      if !isPostponed(event) { handle(.unreachable(Peer(id: UInt64(index + 1)))) }
    case .done(let process, let task, let cancellations):
      guard processes[process].isAlive, !isPostponed(event, process) else { return }
      if processes[process].frozenUntil > now {
        queue.add(event, at: processes[process].frozenUntil)
        return
      }
      finish(task, isCancelled: cancellations != processes[process].cancellations, at: process)
    case .reconnect(let index):
      let process = connections[index].process
      guard processes[process].isAlive, processes[process].connection == index, !isPostponed(event, process)
      else { return }
      breakConnection(of: process)
      establish(process)
    case .processEnded(let process, let isKilled):
      guard processes[process].life == lives, coordinator != nil, !isPostponed(event) else { return }
      processEnded(process, isKilled: isKilled)
    case .stop:
      guard coordinator != nil, !isPostponed(event) else { return }
      log("the run is asked to stop")
      stopDue = now + 9_000_000_000
      handle(.stop(Self.stopReason))
    case .fault:
      guard faultsLeft > 0 else { return }
      faultsLeft -= 1
      fault()
      schedule(.fault, after: fewMoments())
    case .supervise:
      if !scenario.isLocal, !isDeserted, !processes.indices.contains(where: { canCompute($0) }) { startWorker() }
      schedule(.supervise, after: 2)
    case .coordinatorStarts: startCoordinator()
    }
  }

  private mutating func receive(_ message: ToCoordinator, on index: Int) {
    guard coordinator != nil else { return }
    log("the coordinator gets \(describe(message.header)) from \(index + 1)")
    handle(.received(message.header, message.content, from: Peer(id: UInt64(index + 1))), message.payload)
  }

  /// Puts what would happen in the stopped coordinator off until it goes on: its mailbox is emptied first; messages and
  /// the clock's tick come in any order, as its network thread may be behind.
  private mutating func isPostponed(_ event: Event) -> Bool {
    guard coordinatorPausedUntil > now else { return false }
    switch event {
    case .processEnded, .stop, .answer: queue.add(event, at: coordinatorPausedUntil)
    default: queue.add(event, at: coordinatorPausedUntil + Int64.random(in: 1...2_000_000, using: &random))
    }
    return true
  }

  func name(of process: Int) -> String { "process \(process + 1)" }

  /// The run as it is between two steps.
  var checkpoint: Checkpoint {
    Checkpoint(
      parameters: current.values, averages: averages.current.values, step: step, updates: updates, result: result,
      evaluatedSteps: evaluatedSteps)
  }

  /// Whether the run has the bits that the undisturbed one has after so many steps.
  var isAtUndisturbedState: Bool {
    let (whole, parameters) = scenario.expected
    return (current.values + averages.current.values).map(\.bitPattern) == parameters[step]
      && result.losses[...] == whole.losses.prefix(step)
      && result.evaluations[...] == whole.evaluations.prefix(result.evaluations.count)
  }

  /// Puts what would happen in a stopped process off until it goes on.
  private mutating func isPostponed(_ event: Event, _ process: Int) -> Bool {
    guard processes[process].pausedUntil > now else { return false }
    queue.add(event, at: processes[process].pausedUntil)
    return true
  }

  func describe(_ header: Header) -> String {
    "\(header.kind) run \(header.run % 1000) session \(header.session) step \(header.step) \(header.leaves) chunk \(header.chunk) \(header.element)"
  }
}
