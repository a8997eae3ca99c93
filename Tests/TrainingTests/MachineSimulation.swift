import Datasets
import Models
import TestSupport
import Wire

@testable import Training

/// Both state machines with a network, processes and a clock that a seed decides about, and a tiny model in plain
/// arrays. Messages of one connection stay in order; everything else happens in any order.
struct MachineSimulation {
  struct Faults {
    /// Chances in a thousand, each time something happens.
    var death = 0
    var join = 0
    /// A worker that answers pings and does not compute, until it thaws.
    var freeze = 0
    var thaw = 0
  }

  /// What becomes infinite in a step at a position.
  enum Poison: Equatable {
    /// The gradient with respect to one parameter.
    case gradient(Int)
    case loss
    /// Not infinite, but such that two of them are together.
    case half(Int)
  }

  private struct WorkerProcess {
    var machine: WorkerMachine
    var parameters: [Float]
    var gradients: [Node: [Float]] = [:]
    /// Work of compute threads, to be done in any order.
    var tasks: [Task] = []
    var toCoordinator: [(Header, CoordinatorMachine.Content, [Float])] = []
    var toWorker: [(Header, WorkerMachine.Content, [Float])] = []
    var isFrozen = false
  }

  private enum Task {
    case load
    case node(Node, StepTask)
    case sum(Node, Node)
  }

  static let chunks = ChunkLayout(parameterCount: 5, size: 2)

  static let layout = {
    var layout = ParameterLayout()
    layout.append("a", shape: [3])
    layout.append("b", shape: [2])
    return layout
  }()

  let plan: StepPlan
  let onNonFinite: NonFinitePolicy
  /// By step and position.
  let poison: [Int: [Int: Poison]]
  var random: SeededGenerator
  var now = Instant(nanoseconds: 0)
  private var coordinator: CoordinatorMachine
  private var current: [Float]
  private var updated: [Float]
  private var step = 0
  private var updates = 0
  /// Chunks updated in a step that is not advanced from.
  private(set) var pendingUpdates: Set<Int> = []
  private var sums: [[Node: [Float]]]
  private var workers: [CoordinatorMachine.Peer: WorkerProcess] = [:]
  private var started: UInt64 = 0
  private(set) var events: [TrainingEvent] = []
  /// How the run ended: nil while it runs, "" for success.
  private(set) var outcome: String?

  init(
    plan: StepPlan, workers count: Int, seed: UInt64, onNonFinite: NonFinitePolicy = .stop,
    poison: [Int: [Int: Poison]] = [:]
  ) {
    self.plan = plan
    self.onNonFinite = onNonFinite
    self.poison = poison
    random = SeededGenerator(seed: seed)
    current = [1, -2, 3, -4, 5]
    updated = current
    sums = Array(repeating: [:], count: Self.chunks.count)
    coordinator = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 42, plan: plan, chunks: Self.chunks, ready: Ready(data: "data", layout: Self.layout),
        awaitedWorkers: 0, isClassification: false, onNonFinite: onNonFinite))
    handle(.started)
    for _ in 0..<count { startWorker() }
  }

  var parameters: [UInt32] { current.map(\.bitPattern) }

  private var frozen: [CoordinatorMachine.Peer] { workers.filter { $0.value.isFrozen }.keys.sorted() }

  /// Why workers left.
  var departures: Set<String> {
    Set(events.compactMap { if case .workerLeft(_, _, let reason, _) = $0 { reason } else { nil } })
  }

  /// The losses in the order of their steps, as bits.
  var losses: [UInt64] {
    events.compactMap { if case .step(let report) = $0 { report.loss.bitPattern } else { nil } }
  }

  /// The steps, from 1, that were skipped.
  var skipped: [Int] {
    events.compactMap { if case .step(let report) = $0, report.isSkipped { report.step } else { nil } }
  }

  var warnings: [String] { events.compactMap { if case .warning(let text) = $0 { text } else { nil } } }

  var evaluations: [UInt64] {
    events.compactMap { if case .evaluation(let report) = $0 { report.loss.bitPattern } else { nil } }
  }

  /// Runs to the end, or for so many happenings.
  mutating func run(_ faults: Faults = Faults(), limit: Int = 200_000) {
    for _ in 0..<limit where outcome == nil {
      now.nanoseconds += Int64.random(in: 0...2_000_000, using: &random)
      let chance = Int.random(in: 0..<1000, using: &random)
      if chance < faults.death, workers.count > 1 {
        kill(workers.keys.sorted().randomElement(using: &random)!)
      } else if chance < faults.death + faults.join, workers.count < 6 {
        startWorker()
      } else if chance < faults.death + faults.join + faults.freeze,
        workers.values.count(where: { !$0.isFrozen }) > 1
      {
        workers[workers.keys.sorted().randomElement(using: &random)!]!.isFrozen = true
      } else if Int.random(in: 0..<1000, using: &random) < faults.thaw, let peer = frozen.randomElement(using: &random)
      {
        workers[peer]!.isFrozen = false
      } else if chance >= 995 {
        tick()
      } else {
        happen()
      }
    }
  }

  private mutating func tick() {
    handle(.tick)
    for peer in workers.keys.sorted() where workers[peer] != nil { handle(.tick, at: peer) }
  }

  /// One message arrives, or one compute thread is done with something.
  private mutating func happen() {
    var choices: [(CoordinatorMachine.Peer, Int)] = []
    for peer in workers.keys.sorted() {
      let worker = workers[peer]!
      if !worker.toCoordinator.isEmpty { choices.append((peer, 0)) }
      if !worker.toWorker.isEmpty { choices.append((peer, 1)) }
      if !worker.tasks.isEmpty && !worker.isFrozen { choices.append((peer, 2)) }
    }
    guard let (peer, kind) = choices.randomElement(using: &random) else {
      // Nothing can happen before time passes.
      now.nanoseconds += 100_000_000
      tick()
      return
    }
    switch kind {
    case 0:
      let (header, content, payload) = workers[peer]!.toCoordinator.removeFirst()
      handle(.received(header, content, from: peer), payload: payload)
    case 1:
      let (header, content, payload) = workers[peer]!.toWorker.removeFirst()
      handle(.received(header, content), at: peer, payload: payload)
    default:
      let index = Int.random(in: 0..<workers[peer]!.tasks.count, using: &random)
      perform(workers[peer]!.tasks.remove(at: index), at: peer)
    }
  }

  private mutating func startWorker() {
    started += 1
    let peer = CoordinatorMachine.Peer(id: started)
    workers[peer] = WorkerProcess(
      machine: WorkerMachine(address: "simulated", threads: Int.random(in: 1...3, using: &random)),
      parameters: [Float](repeating: .nan, count: 5))
    handle(.started, at: peer)
  }

  /// The process is gone with all that was on its way; the coordinator may learn at once or by silence.
  private mutating func kill(_ peer: CoordinatorMachine.Peer) {
    workers[peer] = nil
    if Bool.random(using: &random) { handle(.unreachable(peer)) }
  }

  private mutating func handle(_ event: CoordinatorMachine.Event, payload: [Float] = []) {
    var answers: [CoordinatorMachine.Event] = []
    for action in coordinator.handle(event, at: now) {
      switch action {
      case .send(let header, let body, let peer):
        let (content, floats): (WorkerMachine.Content, [Float]) =
          switch body {
          case .none: (.none, [])
          case .welcome: (.none, [])
          case .reason(let reason): (.reason(reason), [])
          case .parameters(let chunk):
            (
              .parameters(byteCount: Self.chunks.byteCount(chunk)),
              Array((header.step == UInt64(step) ? current : updated)[Self.chunks[chunk]])
            )
          }
        workers[peer]?.toWorker.append((header, content, floats))
      case .keep(let node, let chunk): sums[chunk][node] = payload
      case .combine(let left, let right, let chunk):
        sums[chunk][Node(left.start..<right.end)] = add(
          sums[chunk].removeValue(forKey: left)!, sums[chunk].removeValue(forKey: right)!)
      case .discard(let node, let chunk): precondition(sums[chunk].removeValue(forKey: node) != nil)
      case .check(let chunk):
        precondition(sums[chunk].count == 1)
        answers.append(.checked(chunk: chunk, nonFinite: nonFinite(sums[chunk].first!.value, chunk)))
      case .update(let chunk, let number, let examples):
        precondition(number == updates + 1 && sums[chunk].count == 1)
        let (root, sum) = sums[chunk].first!
        precondition(nonFinite(sum, chunk) == nil, "an update with a gradient that is not finite")
        // Of a rate that tells whether skipped steps are counted.
        for (index, parameter) in Self.chunks[chunk].enumerated() {
          updated[parameter] = current[parameter] - (0.1 + 0.01 / Float(number)) * (sum[index] / Float(examples))
        }
        sums[chunk][root] = nil
        pendingUpdates.insert(chunk)
        answers.append(.updated(chunk: chunk, nonFinite: nonFinite(Array(updated[Self.chunks[chunk]]), chunk)))
      case .advance:
        precondition(sums.allSatisfy(\.isEmpty) && pendingUpdates.count == Self.chunks.count)
        pendingUpdates = []
        current = updated
        step += 1
        updates += 1
      case .skip:
        precondition(sums.allSatisfy(\.isEmpty) && pendingUpdates.isEmpty)
        step += 1
      case .report(let event): events.append(event)
      case .end(let failure): outcome = failure ?? ""
      }
    }
    for answer in answers { handle(answer) }
  }

  private func nonFinite(_ values: [Float], _ chunk: Int) -> Int? {
    let start = Self.chunks[chunk].lowerBound
    return Self.layout.tensors.lastIndex { tensor in
      values.indices.contains { tensor.range.contains(start + $0) && !values[$0].isFinite }
    }
  }

  private func nonFinite(_ gradient: [Float]) -> Int? {
    (0..<Self.chunks.count).compactMap { nonFinite(Array(gradient[Self.chunks[$0]]), $0) }.max()
  }

  private mutating func handle(_ event: WorkerMachine.Event, at peer: CoordinatorMachine.Peer, payload: [Float] = []) {
    // The simulated WELCOME has no job: loading is a task here.
    if case .received(let header, _) = event, header.kind == .welcome {
      var job = Welcome.simulated
      job.job.onNonFinite = onNonFinite
      act(workers[peer]!.machine.handle(.received(header, .welcome(job)), at: now), at: peer, payload)
      return
    }
    guard workers[peer] != nil else { return }
    act(workers[peer]!.machine.handle(event, at: now), at: peer, payload)
  }

  private mutating func act(_ actions: [WorkerMachine.Action], at peer: CoordinatorMachine.Peer, _ payload: [Float]) {
    for action in actions {
      switch action {
      case .send(let header, let body):
        let (content, floats): (CoordinatorMachine.Content, [Float]) =
          switch body {
          case .none: (.none, [])
          case .hello: (.hello(Hello(name: "worker \(peer.id)", threads: 1)), [])
          case .ready(let ready): (.ready(ready), [])
          case .reason(let reason): (.reason(reason), [])
          case .metrics(let metrics): (.metrics(metrics), [])
          case .gradient(let node, let chunk):
            (
              .gradient(byteCount: Self.chunks.byteCount(chunk)),
              Array(workers[peer]!.gradients[node]![Self.chunks[chunk]])
            )
          }
        workers[peer]!.toCoordinator.append((header, content, floats))
      case .load: workers[peer]!.tasks.append(.load)
      case .store(let chunk): workers[peer]!.parameters.replaceSubrange(Self.chunks[chunk], with: payload)
      case .compute(let node, let task): workers[peer]!.tasks.append(.node(node, task))
      case .combine(let left, let right): workers[peer]!.tasks.append(.sum(left, right))
      case .release(let node): workers[peer]!.gradients[node] = nil
      case .cancel: workers[peer]!.gradients = [:]
      case .end:
        // Its last words are still delivered.
        workers[peer]!.tasks = []
        workers[peer]!.isFrozen = true
      }
    }
  }

  private mutating func perform(_ task: Task, at peer: CoordinatorMachine.Peer) {
    switch task {
    case .load: handle(.loaded(Ready(data: "data", layout: Self.layout), plan, Self.chunks), at: peer)
    case .node(let node, let task):
      let (gradient, metrics) = compute(node, task, at: workers[peer]!.parameters)
      if task.isTraining { workers[peer]!.gradients[node] = gradient }
      handle(.computed(node, metrics), at: peer)
    case .sum(let left, let right):
      let sum = add(
        workers[peer]!.gradients.removeValue(forKey: left)!, workers[peer]!.gradients.removeValue(forKey: right)!)
      workers[peer]!.gradients[Node(left.start..<right.end)] = sum
      handle(.combined(Node(left.start..<right.end), nonFinite: nonFinite(sum)), at: peer)
    }
  }

  private func compute(_ node: Node, _ task: StepTask, at parameters: [Float]) -> ([Float], NodeMetrics) {
    if let (left, right) = node.children {
      let (leftSum, rightSum) = (compute(left, task, at: parameters), compute(right, task, at: parameters))
      let sum = add(leftSum.0, rightSum.0)
      var metrics = leftSum.1 + rightSum.1
      if metrics.flaw == nil, let tensor = nonFinite(sum) { metrics.flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor) }
      return (sum, metrics)
    }
    let positions = plan.positions(of: node.leaves, in: task)
    var gradient = [Float](repeating: 0, count: 5)
    var loss = 0.0
    for position in positions {
      for index in 0..<5 {
        // Of sizes that make the order of summing show.
        let data = Float((position * 7919 + index * 104_729 + task.step * 31) % 1009) * (position % 3 == 0 ? 1e-3 : 1e2)
        gradient[index] += parameters[index] * 0.3 + data
        loss += Double(parameters[index]) * Double(data)
      }
      guard task.isTraining, let poison = poison[task.step]?[position] else { continue }
      switch poison {
      case .gradient(let index): gradient[index] = .infinity
      case .loss: loss = .nan
      case .half(let index): gradient[index] = 3e38
      }
    }
    var metrics = NodeMetrics(examples: Int64(positions.count), loss: loss, computeSeconds: 0.001)
    let tensor = nonFinite(gradient)
    if task.isTraining && (tensor != nil || !loss.isFinite) {
      metrics.flaw = NodeMetrics.Flaw(leaf: node.start, tensor: tensor)
    }
    return (gradient, metrics)
  }

  private func add(_ left: [Float], _ right: [Float]) -> [Float] { zip(left, right).map { $0 + $1 } }
}

extension Welcome {
  /// A job that nobody reads.
  static let simulated: Welcome = {
    do {
      var options = JobOptions()
      try options.set("steps", to: "1")
      let data = try LoadedData(options.source, classify: nil, seed: 0)
      return Welcome(job: try options.resolve(data), scaling: Scaling(offset: [], factor: []), chunkSize: 2)
    } catch {
      preconditionFailure("\(error)")
    }
  }()
}
