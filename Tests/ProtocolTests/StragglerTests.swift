import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

/// The coordinator's machine with workers that are nothing but a speed, and a virtual clock.
private struct TimedRun: ~Copyable {
  struct TimedWorker: Sendable {
    /// Seconds a leaf, at a moment of the run.
    var secondsPerLeaf: @Sendable (Instant) -> Double
    /// When work that ends at a moment is really done: later where the process is stopped.
    var end: @Sendable (Instant) -> Instant = { $0 }
    /// Seconds for which it waits for a core before it begins, at a moment of the run.
    var wait: @Sendable (Instant) -> Double = { _ in 0 }
  }

  private let plan: StepPlan
  private let workers: [TimedWorker]
  /// From an assignment to the start of its work.
  private let latency: Double
  /// What a node takes to be pushed.
  private let secondsPerNode: Double
  private var machine: CoordinatorMachine
  private var sessions: [UInt64] = []
  private var pending: [(due: Instant, peer: CoordinatorMachine.Peer, assignment: Header, secondsPerLeaf: Double)] = []
  private(set) var now = Instant(nanoseconds: 0)
  private(set) var isOver = false
  private(set) var stepEnds: [Instant] = []
  private(set) var leavesComputed: [Int]
  /// Leaves of each worker in each step, as first assigned.
  private(set) var cuts: [[Int: Range<UInt32>]] = [[:]]
  private(set) var warnings: [String] = []
  /// How many of how many workers compute, when that was reported.
  private(set) var computing: [[Int]] = []
  /// At the end of each step, whether the coordinator of a machine with a core for each worker should poll.
  private(set) var polls: [Bool] = []
  private let sharesLink: Bool

  /// - Parameter sharesLink: whether a node takes as many times longer to be pushed as there are workers that compute.
  init(
    _ workers: [TimedWorker], microBatches: Int, steps: Int, secondsPerNode: Double, sharesLink: Bool = false,
    usesAllWorkers: Bool = true, latency: Double = 0.0005, sharesMemory: Bool = false
  ) {
    self.latency = latency
    self.workers = workers
    (self.secondsPerNode, self.sharesLink) = (secondsPerNode, sharesLink)
    leavesComputed = Array(repeating: 0, count: workers.count)
    plan = StepPlan(
      trainCount: 1000 * microBatches, testCount: 0, batchSize: microBatches, microBatches: microBatches,
      length: .steps(steps))
    machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: plan, chunks: ChunkLayout(parameterCount: 2, size: 2),
        fingerprint: "d", layout: ParameterLayout(), numerics: .simulated, awaitedWorkers: workers.count,
        usesAllWorkers: usesAllWorkers, metrics: .loss))
    handle(.started)
    for index in workers.indices {
      let peer = CoordinatorMachine.Peer(id: UInt64(index))
      handle(.received(Header(.hello), .hello(Hello(name: "\(index)", threads: 1)), from: peer))
      let session = machine.members[peer]!.session
      sessions.append(session)
      var ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
      if sharesMemory { ready.host = .simulated }
      handle(.received(Header(.ready, run: 7, session: session), .ready(ready), from: peer))
    }
  }

  private mutating func handle(_ event: CoordinatorMachine.Event) {
    for action in machine.handleAnswering(event, at: now) {
      switch action {
      case .send(let header, _, let peer) where header.kind == .assign:
        let index = Int(peer.id)
        if cuts[stepEnds.count][index] == nil { cuts[stepEnds.count][index] = header.leaves }
        leavesComputed[index] += header.leaves.count
        let secondsPerLeaf = workers[index].secondsPerLeaf(now)
        let nodes = plan.tree(.train(step: 0)).maximalNodes(in: header.leafRange).count
        let sharing = sharesLink ? Double(machine.activeCount - machine.leftOut.count) : 1
        let seconds = latency + Double(header.leaves.count) * secondsPerLeaf + Double(nodes) * secondsPerNode * sharing
        let begin = now.advanced(by: workers[index].wait(now))
        pending.append((workers[index].end(begin.advanced(by: seconds)), peer, header, secondsPerLeaf))
      case .advance:
        polls.append(machine.shouldPoll(cores: workers.count))
        stepEnds.append(now)
        cuts.append([:])
      case .report(.warning(let text)): warnings.append(text)
      case .report(.leftOut(let some, let all, _, _)): computing.append([some, all])
      case .end(let failure):
        isOver = true
        #expect(failure == nil)
      default: break
      }
    }
  }

  /// Runs to the end. The clock jumps to what happens next.
  mutating func run() {
    var nextTick = now
    while !isOver {
      let tick = min(nextTick, machine.nextTakeover(after: now) ?? nextTick)
      if let next = pending.indices.min(by: { pending[$0].due < pending[$1].due }), pending[next].due <= tick {
        let (due, peer, assignment, secondsPerLeaf) = pending.remove(at: next)
        now = max(now, due)
        finish(peer, assignment, secondsPerLeaf)
      } else {
        now = max(now, tick)
        if now >= nextTick { nextTick = now.advanced(by: 0.1) }
        for index in workers.indices {
          handle(.received(Header(.pong, run: 7, session: sessions[index]), .none, from: .init(id: UInt64(index))))
        }
        handle(.tick)
      }
    }
  }

  private mutating func finish(_ peer: CoordinatorMachine.Peer, _ assignment: Header, _ secondsPerLeaf: Double) {
    let step = Int(assignment.step)
    let leaves = Int(assignment.leaves.lowerBound)..<Int(assignment.leaves.upperBound)
    for node in plan.tree(.train(step: step)).maximalNodes(in: leaves) {
      let examples = plan.positions(of: node.leaves, in: .train(step: step)).count
      func header(_ kind: MessageKind) -> Header {
        Header(
          kind, run: 7, session: sessions[Int(peer.id)], step: assignment.step,
          leaves: UInt32(node.start)..<UInt32(node.end), task: .train,
          weight: kind == .push ? Double(examples) : 0)
      }
      handle(.received(header(.push), .gradient(byteCount: 8), from: peer))
      let seconds = Double(node.leaves.count) * secondsPerLeaf
      let metrics = NodeMetrics(examples: Int64(examples), loss: 1, computeSeconds: seconds)
      handle(.received(header(.metrics), .metrics(metrics), from: peer))
    }
  }

  var seconds: Double { now.seconds(since: Instant(nanoseconds: 0)) }
}

@Suite struct StragglerTests {
  private typealias TimedWorker = TimedRun.TimedWorker
  private static let fast = TimedWorker(secondsPerLeaf: { _ in 0.001 })

  private func run(
    _ workers: [TimedWorker], microBatches: Int = 24, steps: Int = 400, secondsPerNode: Double = 0
  ) -> TimedRun {
    var run = TimedRun(workers, microBatches: microBatches, steps: steps, secondsPerNode: secondsPerNode)
    run.run()
    return run
  }

  /// Four workers that push over one link, which with one of them is as fast as four.
  private func runOverOneLink(_ first: TimedWorker = fast, usesAllWorkers: Bool) -> TimedRun {
    var run = TimedRun(
      [first, Self.fast, Self.fast, Self.fast], microBatches: 8, steps: 200, secondsPerNode: 0.02, sharesLink: true,
      usesAllWorkers: usesAllWorkers)
    run.run()
    return run
  }

  @Test func workersThatMakeStepsLongerStandBy() {
    let some = runOverOneLink(usesAllWorkers: false)
    let all = runOverOneLink(usesAllWorkers: true)
    #expect(some.computing == [[1, 4]] && all.computing.isEmpty)
    #expect(some.cuts[190].count == 1 && all.cuts[190].count == 4)
    #expect(some.seconds < 0.5 * all.seconds)
  }

  @Test func workersThatStandByComputeForOneThatHangs() {
    let hanging = TimedWorker(
      secondsPerLeaf: { _ in 0.001 },
      end: { $0.seconds(since: Instant(nanoseconds: 0)) < 4 ? $0 : $0.advanced(by: 1000) })
    let run = runOverOneLink(hanging, usesAllWorkers: false)
    #expect(run.isOver && run.seconds < 60 && run.leavesComputed[1] > 8)
    #expect(run.computing == [[1, 4]], "it is said once")
  }

  @Test func aWorkerWhoseFirstTaskIsSlowGetsItsShare() {
    // Fresh memory and code that is made on the way: 50 times slower once.
    let cold = TimedWorker(secondsPerLeaf: { $0 == Instant(nanoseconds: 0) ? 0.05 : 0.001 })
    let run = run([Self.fast, cold], microBatches: 2)
    #expect(run.warnings.isEmpty)
    #expect(run.cuts[10..<400].allSatisfy { $0[0]?.count == 1 && $0[1]?.count == 1 })
  }

  @Test("a wait for a core is held against no worker on the coordinator's machine", arguments: [true, false])
  func waitingForACoreIsNoSlowness(_ sharesMemory: Bool) {
    // The second worker begins once the first is done, for a while.
    let waiting = TimedWorker(
      secondsPerLeaf: { _ in 0.001 }, wait: { (100_000_000..<200_000_000).contains($0.nanoseconds) ? 0.003 : 0 })
    var run = TimedRun(
      [Self.fast, waiting], microBatches: 2, steps: 200, secondsPerNode: 0, sharesMemory: sharesMemory)
    run.run()
    let areEven = run.cuts.dropLast().allSatisfy { $0[0]?.count == 1 && $0[1]?.count == 1 }
    #expect(areEven == sharesMemory, "elsewhere it may be the link that is slow")
  }

  @Test("a coordinator polls where it takes no core from workers", arguments: [(0.001, false), (0.0001, true)])
  func polling(_ secondsPerLeaf: Double, _ polls: Bool) {
    let worker = TimedWorker(secondsPerLeaf: { _ in secondsPerLeaf })
    func run(sharesMemory: Bool) -> TimedRun {
      var run = TimedRun(
        [worker, worker], microBatches: 2, steps: 20, secondsPerNode: 0, latency: 0.0001, sharesMemory: sharesMemory)
      run.run()
      return run
    }
    #expect(run(sharesMemory: true).polls[3..<19].allSatisfy { $0 == polls })
    #expect(run(sharesMemory: false).polls.allSatisfy { $0 }, "other machines' workers have cores of their own")
  }

  @Test("a third worker at a tenth of the speed hardly costs time", arguments: [4, 8, 16, 24, 64])
  func aSlowWorkerCostsLittle(_ microBatches: Int) {
    let slow = TimedWorker(secondsPerLeaf: { _ in 0.01 })
    let alone = run([Self.fast, Self.fast], microBatches: microBatches)
    let three = run([Self.fast, slow, Self.fast], microBatches: microBatches)
    #expect(three.seconds < 1.1 * alone.seconds, "\(three.seconds) s, and \(alone.seconds) s alone")
    #expect(three.warnings.filter { $0.contains("worker 2 (1) is") && $0.contains("times slower") }.count <= 1)
  }

  @Test func aSlowWorkerGetsItsShareAndIsNamedOnce() {
    let slow = TimedWorker(secondsPerLeaf: { _ in 0.01 })
    let run = run([Self.fast, slow, Self.fast], steps: 1000)
    #expect(run.cuts[500].mapValues(\.count) == [0: 12, 1: 1, 2: 11])
    #expect(run.warnings.count == 1 && run.warnings[0].contains("worker 2 (1) is 1"), "\(run.warnings)")
  }

  @Test("workers that run a tenth of the time, in turns of a tenth of a second, cost little", arguments: [8, 24, 64])
  func aWorkerThatIsStoppedNowAndThenCostsLittle(_ microBatches: Int) {
    // Nothing ends in the first 90 ms of each 100 ms.
    let stopped = TimedWorker(
      secondsPerLeaf: { _ in 0.001 },
      end: { Instant(nanoseconds: max($0.nanoseconds, $0.nanoseconds / 100_000_000 * 100_000_000 + 90_000_000)) })
    let alone = run([Self.fast, Self.fast], microBatches: microBatches)
    let three = run([Self.fast, stopped, Self.fast], microBatches: microBatches)
    #expect(three.seconds < 1.25 * alone.seconds, "\(three.seconds) s, and \(alone.seconds) s alone")
  }

  @Test func aWorkerThatBecomesFastAgainGetsAnEqualShareAgain() {
    let recovering = TimedWorker(secondsPerLeaf: { $0.nanoseconds < 2_000_000_000 ? 0.1 : 0.001 })
    let run = run([Self.fast, recovering, Self.fast], steps: 1500)
    #expect(run.cuts[100][1] == nil, "at a hundredth of the speed it has no share")
    #expect(run.cuts[1499].mapValues(\.count) == [0: 8, 1: 8, 2: 8])
  }

  @Test func equalWorkersGetEqualCutsAndComputeNothingTwice() {
    let steps = 300
    // Up to a tenth faster or slower each time.
    let workers = (1...4).map { prime in
      TimedWorker(secondsPerLeaf: { 0.001 * (0.9 + 0.2 * Double($0.nanoseconds / Int64(prime) % 997) / 997) })
    }
    let run = run(workers, microBatches: 16, steps: steps)
    #expect(run.cuts.dropLast().allSatisfy { $0.values.allSatisfy { $0.count == 4 && $0.lowerBound % 4 == 0 } })
    #expect(run.leavesComputed.reduce(0, +) == 16 * steps)
    #expect(run.warnings.isEmpty)
  }

  @Test func onASlowNetworkEachWorkerPushesANode() {
    let run = run([Self.fast, Self.fast, Self.fast], microBatches: 16, steps: 200, secondsPerNode: 0.05)
    #expect(run.cuts[20..<200].allSatisfy { $0.values.map(\.count).sorted() == [4, 4, 8] })
    #expect(run.leavesComputed.reduce(0, +) < 16 * 201, "hardly anything is computed twice")
    #expect(run.seconds < 200 * 0.0625, "\(run.seconds) s; cut evenly, a step takes 106 ms or more")
  }

  @Test func onAFastNetworkCutsAreEven() {
    let run = run([Self.fast, Self.fast, Self.fast], microBatches: 16, steps: 200, secondsPerNode: 0.0001)
    #expect(run.cuts[20..<200].allSatisfy { $0.values.map(\.count).sorted() == [5, 5, 6] })
  }

  @Test func aWorkerThatStopsForGoodIsTakenOverInAboutTheTimeThatItsLeavesTake() {
    let stopping = TimedWorker(secondsPerLeaf: { $0.nanoseconds < 100_000_000 ? 0.001 : 1e6 })
    let run = run([Self.fast, stopping, Self.fast], steps: 100)
    let longest = zip(run.stepEnds, run.stepEnds.dropFirst()).map { $1.seconds(since: $0) }.max()!
    #expect(longest < 0.03, "a step takes 8 ms")
  }

  @Test func sharesFollowTheWeights() {
    #expect(
      shares(of: 24, weights: [1, 1, 0.1]) == [12, 11, 1] || shares(of: 24, weights: [1, 1, 0.1]) == [11, 12, 1])
    #expect(shares(of: 8, weights: [1, 1.4]) == [4, 4], "nearly equal ones are cut equally")
    #expect(shares(of: 2, weights: [1, 1, 1]) == [0, 1, 1])
    #expect(shares(of: 9, weights: [2, 1]) == [6, 3])
    for _ in 0..<1000 {
      let weights = (0..<Int.random(in: 1...40)).map { _ in Double.random(in: 0.001...10) }
      let count = Int.random(in: 1...200)
      let shares = shares(of: count, weights: weights)
      #expect(shares.reduce(0, +) == count && shares.allSatisfy { $0 >= 0 }, "\(count) by \(weights)")
    }
  }
}

/// Cuts that push few nodes, for networks that take longer than what they save.
@Suite struct NodeSharesTests {
  @Test func eachWorkerHasANode() {
    let tree = ReductionTree(leafCount: 16)
    #expect(tree.nodeShares(of: 0..<16, for: 1) == [16])
    #expect(tree.nodeShares(of: 0..<16, for: 3) == [4, 4, 8])
    #expect(tree.nodeShares(of: 4..<16, for: 2) == [4, 8], "what is left after the first of three")
    #expect(tree.nodeShares(of: 0..<16, for: 5) == [2, 2, 4, 4, 4])
    #expect(tree.nodeShares(of: 1..<16, for: 2) == nil, "four nodes")
    #expect(ReductionTree(leafCount: 3).nodeShares(of: 0..<3, for: 4) == nil)
    #expect(tree.pushes(of: 0..<16, cutInto: [5, 5, 6]) == 7)
    #expect(tree.pushes(of: 0..<16, cutInto: [4, 4, 8]) == 3)
  }

  @Test func everyCutIsOfNodes() {
    for leafCount in 1...40 {
      let tree = ReductionTree(leafCount: leafCount)
      for count in 1...leafCount {
        let shares = tree.nodeShares(of: 0..<leafCount, for: count)
        #expect(shares?.count == count && shares?.reduce(0, +) == leafCount, "\(count) of \(leafCount)")
        #expect(tree.pushes(of: 0..<leafCount, cutInto: shares ?? []) == count, "\(count) of \(leafCount)")
      }
    }
  }
}
