import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// What happens to processes and connections.
extension Simulation {
  /// Seconds until the next fault: often within a step, sometimes after others' silence.
  mutating func fewMoments() -> Double { chance(4, in: 5) ? magnitude(1e-3...0.1) : magnitude(0.1...8) }

  mutating func fault() {
    hasFailed = true
    if scenario.endsDeserted && faultsLeft == 0 {
      log("all workers go for good")
      isDeserted = true
      disturb(for: 0)
      for process in alive { kill(process) }
      return
    }
    guard let process = alive.randomElement(using: &random) else {
      if coordinator != nil && chance(1, in: 3) { killCoordinator() } else if !scenario.isLocal { startWorker() }
      return
    }
    switch Int.random(in: 0..<(scenario.hasGroups ? 28 : scenario.hasRelays ? 24 : 20), using: &random) {
    case 0, 1: kill(process)
    case 18, 19:
      processes[process].diesBefore = LastMessage.allCases.randomElement(using: &random)
      log("worker \(process) is to be killed before its \(processes[process].diesBefore!)")
    case 2:
      let duration = magnitude(0.01...20)
      log("worker \(process) is stopped for \(duration) s")
      processes[process].pausedUntil = now + Int64(duration * 1e9)
      disturb(for: duration)
    case 3:
      let duration = magnitude(0.01...60)
      log("worker \(process) does not compute for \(duration) s")
      processes[process].frozenUntil = now + Int64(duration * 1e9)
      disturb(for: duration)
    case 4, 5: if alive.count < 6 && !scenario.isLocal { startWorker() }
    case 6, 7, 8:
      breakConnection(of: process)
      establish(process)
    case 9:
      guard let connection = processes[process].connection else { return }
      let duration = magnitude(0.001...4)
      log("messages of worker \(process) are delayed by \(duration) s")
      connections[connection].lastArrival = max(connections[connection].lastArrival, now + Int64(duration * 1e9))
      connections[connection].lastDeparture = max(connections[connection].lastDeparture, now + Int64(duration * 1e9))
      disturb(for: duration)
    case 10:
      slowDown(process)
      log("worker \(process) is \(processes[process].slowness) times slower")
      disturb(for: 0)
    case 11, 12: if coordinator != nil { pauseCoordinator() }
    case 20...23: disturbLink()
    case 24...27: disturbHop()
    case 13: if let connection = processes[process].connection { cutOneWay(connection) }
    case 14: if let connection = processes[process].connection { halfOpen(connection) }
    default: if coordinator != nil { killCoordinator() }
    }
  }

  private mutating func slowDown(_ process: Int) {
    processes[process].slowness = magnitude(10...100)
    worstSlowness = max(worstSlowness, processes[process].slowness)
  }

  private mutating func pauseCoordinator() {
    let duration = chance(1, in: 5) ? Double.random(in: 5...400, using: &random) : magnitude(0.01...12)
    log("the coordinator is stopped for \(duration) s")
    coordinatorPausedUntil = max(coordinatorPausedUntil, now + Int64(duration * 1e9))
    disturb(for: duration)
  }

  /// Nothing passes in one direction for a while, and nothing is lost.
  private mutating func cutOneWay(_ connection: Int) {
    let duration = magnitude(0.1...30)
    let end = now + Int64(duration * 1e9)
    if Bool.random(using: &random) {
      log("what \(connection + 1) sends is held up for \(duration) s")
      connections[connection].lastArrival = max(connections[connection].lastArrival, end)
    } else {
      log("what is sent to \(connection + 1) is held up for \(duration) s")
      connections[connection].lastDeparture = max(connections[connection].lastDeparture, end)
    }
    disturb(for: duration)
  }

  /// One end or both send into nowhere, until the worker connects anew.
  private mutating func halfOpen(_ connection: Int) {
    let duration = magnitude(0.1...60)
    let lost = Int.random(in: 0..<3, using: &random)
    // What was lost before does not come back: TCP delivers all or nothing more.
    if lost != 0 { connections[connection].losesToCoordinator = true }
    if lost != 1 { connections[connection].losesToWorker = true }
    log(
      "\(connection + 1) loses what is sent for \(duration) s: \(["to the worker", "by the worker", "both ways"][lost])"
    )
    schedule(.reconnect(connection: connection), after: duration)
    disturb(for: duration)
  }

  private var alive: [Int] { processes.indices.filter { processes[$0].isAlive } }

  mutating func disturb(for seconds: Double) {
    disturbedUntil = max(disturbedUntil, now + Int64(seconds * 1e9))
  }

  mutating func startWorker(restarts: Int = 0) {
    guard !isDeserted else { return }
    disturb(for: 0)
    let isOnlyRelay = scenario.hasGroups && chance(1, in: 4)
    let threads = isOnlyRelay ? 0 : Int.random(in: 1...3, using: &random)
    let relays = scenario.hasGroups ? alive.filter { processes[$0].relayAddress != nil } : []
    let behind = chance(2, in: 3) ? relays.randomElement(using: &random) : nil
    let sharesMemory = scenario.sharesMemory && !isOnlyRelay && behind == nil && !chance(1, in: 4)
    func unknown() -> [Vector] {
      (0..<HeldParameters.vectorCount).map { _ in Vector([Float](repeating: .nan, count: model.chunks.valueCount)) }
    }
    let received = [ElementKind.float32: unknown(), .bf16: unknown(), .average: unknown()]
    let listens = isOnlyRelay || scenario.hasRelays && !chance(1, in: 4)
    processes.append(
      Process(
        WorkerMachine(
          address: behind.flatMap { processes[$0].relayAddress } ?? Self.coordinatorAddress, threads: threads),
        threads: threads,
        life: lives, restarts: restarts, behind: behind,
        group: listens && scenario.hasGroups ? Group(id: UInt64(processes.count + 1)) : nil,
        sharesMemory: sharesMemory, received: received,
        relayAddress: listens ? address(ofRelay: processes.count) : nil, at: now))
    if chance(1, in: 6) { slowDown(processes.count - 1) }
    log("worker \(processes.count - 1) starts with \(threads) threads, \(processes.last!.slowness) times slower")
    processes[processes.count - 1].route = openRoute(of: processes.count - 1)
    handle(.started, at: processes.count - 1)
    schedule(.tickWorker(processes.count - 1), after: scenario.tick)
  }

  /// The process is gone; what it has sent may still arrive.
  mutating func kill(_ process: Int) {
    processes[process].isAlive = false
    let notice = Notice.allCases.randomElement(using: &random)!
    log("worker \(process) is killed, noticed \(notice)")
    ended(process, isKilled: true)
    for route in (processes[process].group?.upstream ?? [:]).sorted(by: { $0.key < $1.key }).map(\.value) {
      closeRoute(route)
    }
    guard let connection = processes[process].connection else { return }
    if Bool.random(using: &random) { connections[connection].isOpen = false }
    notify(notice, of: connection)
  }

  /// Kills the connection's process if it is to die now, with the message and all that it has sent after it.
  mutating func dies(before header: Header, on connection: Int) -> Bool {
    let process = connections[connection].process
    guard connections[connection].hop == nil, processes[process].isAlive,
      processes[process].diesBefore?.isThat(header) == true
    else { return false }
    connections[connection].toCoordinator = []
    kill(process)
    return true
  }

  /// What `WorkerProcesses` learns of a process that has ended.
  mutating func ended(_ process: Int, isKilled: Bool) {
    disturb(for: 0)
    guard scenario.isLocal else { return }
    schedule(.processEnded(process, isKilled: isKilled), after: magnitude(1e-3...1))
  }

  /// Tells the coordinator of a process that has ended, and starts another in its place, as `WorkerProcesses` does.
  mutating func processEnded(_ process: Int, isKilled: Bool) {
    disturb(for: 0)
    let isReplaced = isKilled && !isDeserted && processes[process].restarts < scenario.mostRestarts
    log("the coordinator learns that worker \(process) has ended, replaced: \(isReplaced)")
    handle(.processEnded(name: name(of: process), "it has ended", isReplaced: isReplaced))
    guard isReplaced else { return }
    if outcome != nil { violate("it ends though a worker is about to be started again") }
    if chance(1, in: 20) {
      isWorkerMissing = true
      handle(.failed("a worker that was killed cannot be started again"))
    } else {
      startWorker(restarts: processes[process].restarts + 1)
    }
  }

  private mutating func notify(_ notice: Notice, of connection: Int) {
    connections[connection].notice = notice
    if notice == .atOnce { schedule(.unreachable(connection: connection), after: magnitude(1e-4...0.1)) }
  }

  /// Everything on its way is lost, but for what the worker had not handed to the network yet, and for copies of earlier
  /// messages that arrive late. The worker goes on as another peer.
  mutating func breakConnection(of process: Int) {
    breakUpstream(of: process)
    guard let old = processes[process].connection else {
      if case .hop(let index) = processes[process].route { breakHop(index) }
      return
    }
    log("connection \(old + 1) of worker \(process) breaks")
    connections[old].isOpen = false
    notify(Notice.allCases.randomElement(using: &random)!, of: old)
    var next = Connection(process: process, isEstablished: false)
    if Bool.random(using: &random) || !connections[old].isEstablished {
      let unsent = connections[old].toCoordinator
      let isWhole = !connections[old].isEstablished
      next.toCoordinator = isWhole ? unsent : unsent.suffix(Int.random(in: 0...unsent.count, using: &random))
    }
    connections.append(next)
    processes[process].route = .connection(connections.count - 1)
    if chance(1, in: 3) {
      for message in connections[old].sent where Bool.random(using: &random) {
        schedule(.late(connection: connections.count - 1, message), after: magnitude(0.001...8))
      }
    }
    (connections[old].toCoordinator, connections[old].toWorker, connections[old].sent) = ([], [], [])
  }

  /// One relay in four is on the coordinator's machine.
  private mutating func address(ofRelay process: Int) -> String {
    chance(1, in: 4) ? "\(Self.coordinatorAddress):\(process)" : "tcp://relay\(process)"
  }

  /// The connections that a relay has for those behind it break, or some of them.
  private mutating func breakUpstream(of process: Int) {
    for (hop, route) in (processes[process].group?.upstream ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard case .connection = route, coordinator == nil || Bool.random(using: &random) else { continue }
      closeRoute(route)
      processes[process].group!.upstream[hop] = openRoute(of: process, for: hop)
    }
  }

  /// The connections of a process to the coordinator come about.
  mutating func establish(_ process: Int) {
    let upstream = (processes[process].group?.upstream ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    for case .connection(let index) in [processes[process].route] + upstream where !connections[index].isEstablished {
      schedule(.established(connection: index), after: magnitude(0.001...1))
    }
  }

  /// What was stopped is resumed from what it saved at its end.
  mutating func resume() {
    if pendingUpdates.isEmpty { saved = checkpoint }
    outcome = nil
    killCoordinator()
  }

  private mutating func killCoordinator() {
    let duration = chance(1, in: 10) ? magnitude(12...400) : magnitude(0.01...12)
    log("the coordinator is killed for \(duration) s")
    coordinator = nil
    disturb(for: duration)
    if scenario.isLocal {
      // Its workers end with it, and the next one listens somewhere else.
      for process in alive { processes[process].isAlive = false }
      for connection in connections.indices { connections[connection].isOpen = false }
    } else {
      for process in alive { breakConnection(of: process) }
    }
    schedule(.coordinatorStarts, after: duration)
  }

  mutating func startCoordinator() {
    lives += 1
    log("the coordinator starts at step \(saved.step)")
    (current, updated, step, updates, result) =
      (Vector(saved.parameters), Vector(saved.parameters), saved.step, saved.updates, saved.result)
    rounded = (Vector(model.rounded(saved.parameters)), Vector(model.rounded(saved.parameters)))
    averages = (Vector(saved.averages), Vector(saved.averages))
    (evaluatedSteps, scale, pendingUpdates) = (saved.evaluatedSteps, (0, 1), [])
    (coordinatorPausedUntil, stopDue) = (0, nil)
    if scenario.isLocal { isDeserted = false }
    sums = Array(repeating: [:], count: model.chunks.count)
    (lanes, laneEnds) = (sums.map { _ in [] }, sums.map { _ in 0 })
    coordinator = CoordinatorProcess(
      CoordinatorMachine.Configuration(
        run: random.next(), start: step, evaluatedSteps: evaluatedSteps, skippedSteps: step - updates, plan: model.plan,
        chunks: model.chunks,
        fingerprint: "data", layout: TinyModel.layout, numerics: .simulated,
        awaitedWorkers: scenario.isLocal ? scenario.workers : 0, topology: scenario.topology, metrics: .loss,
        onNonFinite: scenario.onNonFinite, updatesTogether: scenario.updatesTogether,
        ways: [Ways.Alternative(address: Self.coordinatorAddress, key: nil)]))
    handle(.started)
    if scenario.isLocal { for _ in 0..<scenario.workers { startWorker() } }
    schedule(.tickCoordinator(life: lives), after: scenario.tick)
    for process in alive { establish(process) }
  }
}
