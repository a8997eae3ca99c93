import Dispatch
import Foundation
import Kernels
import Models
import MutexInterposer
import Protocol
import Runs
import Schema
import Synchronization

// What threads share, used by many threads at once, for ThreadSanitizer: Tests/Stress/run.sh builds and runs it.
@testable import Cluster
@testable import Reduction
@testable import ZeroMQ

func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

/// Runs `body` on `count` threads at once, and waits for them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) {
  let done = DispatchGroup()
  for index in 0..<count {
    done.enter()
    let thread = Thread {
      do {
        try body(index)
      } catch {
        fatalError("\(error)")
      }
      done.leave()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
  done.wait()
}

/// Work is added by one thread, which helps, and done once each, in memory that no two pieces use at once.
func stressPool() {
  for threads in 1...4 {
    let pool = ComputePool<[Int]>(threads: threads) { [Int](repeating: 0, count: 16) }
    let done = Atomic<Int>(0)
    let all = 20_000
    for index in 0..<all {
      pool.add(urgent: index % 7 == 0, willHelp: index % 3 == 0) { scratch in
        scratch[index % 16] += 1
        done.add(1, ordering: .relaxed)
      }
      if index % 3 == 0 { while pool.help() {} }
    }
    while done.load(ordering: .relaxed) < all { if !pool.help() { sched_yield() } }
    pool.close()
  }
  say("pool: done")
}

/// The chunks of a coordinator are summed and updated by threads, and read where they have answered.
func stressSums() {
  var layout = ParameterLayout()
  layout.append("a", shape: [2000])
  let chunks = ChunkLayout(parameterCount: 2000, size: 50)
  let woken = DispatchSemaphore(value: 0)
  let sums = ChunkSums(chunks, layout, nil) { woken.signal() }
  let result = FloatBuffer(count: 2000)
  for step in 1...500 {
    for chunk in 0..<chunks.count {
      for leaf in 0..<4 {
        let gradient = FloatBuffer(count: chunks[chunk].count)
        gradient.all.fill(Float(step))
        _ = sums.apply(.keep(Node(leaf..<leaf + 1), gradient), to: chunk, step: step)
        guard leaf > 0 else { continue }
        _ = sums.apply(.combine(left: Node(0..<leaf), right: Node(leaf..<leaf + 1)), to: chunk, step: step)
      }
      _ = sums.apply(.check, to: chunk, step: step)
    }
    var waiting = chunks.count
    func wait(_ body: (CoordinatorMachine.Event) -> Void) {
      waiting = chunks.count
      while waiting > 0 {
        woken.wait()
        for answer in sums.takeAnswers() {
          body(answer.event)
          waiting -= 1
        }
      }
    }
    wait { _ in }
    precondition(sums.roots.allSatisfy { $0.array.allSatisfy { $0 == Float(4 * step) } })
    for chunk in 0..<chunks.count {
      let range = chunks[chunk]
      let update: @Sendable (Floats) -> Floats = { sum in
        result.all[range].copy(sum)
        return result.values[range]
      }
      _ = sums.apply(.update(update), to: chunk, step: step)
    }
    wait { event in
      guard case .updated(let chunk, nil) = event else { fatalError("\(event)") }
      precondition(result.values[chunks[chunk]].array.allSatisfy { $0 == Float(4 * step) })
    }
  }
  sums.close()
  say("sums: done")
}

/// Gradients go back to their pool from any thread.
func stressGradients() {
  for isShared in [false, true] {
    let pool = GradientPool(count: 100)
    if isShared { precondition(pool.makeShared() != nil, "no memory can be shared") }
    onThreads(4) { thread in
      for round in 0..<5000 {
        let (first, second) = (pool.take(), pool.take())
        first.buffer.all.fill(Float(thread))
        second.buffer.all.fill(Float(round))
        precondition(first.buffer.array.allSatisfy { $0 == Float(thread) })
      }
    }
  }
  say("gradients: done")
}

/// Records come whole, once each, and in each writer's order.
func stressPipes() {
  guard let inbox = RecordInbox() else { fatalError("no pipe") }
  let (name, writers, records) = (inbox.name, 4, 5000)
  let waker = Waker()
  let writing = Thread.detach {
    onThreads(writers) { writer in
      guard let outbox = RecordOutbox(name) else { fatalError("the pipe cannot be opened") }
      for number in 0..<records {
        outbox.append { record in
          record.storeBytes(of: writer, as: Int.self)
          record.storeBytes(of: number, toByteOffset: 8, as: Int.self)
        }
        outbox.flush()
        waker.wake()
        while !outbox.isEmpty {
          sched_yield()
          outbox.flush()
        }
      }
    }
  }
  var next = [Int](repeating: 0, count: writers)
  while next.reduce(0, +) < writers * records {
    guard let record = inbox.next() else {
      sched_yield()
      continue
    }
    let (writer, number) = (record.load(as: Int.self), record.load(fromByteOffset: 8, as: Int.self))
    precondition(next[writer] == number, "record \(number) of \(writer) follows \(next[writer])")
    next[writer] += 1
    waker.clear()
  }
  writing.wait()
  say("pipes: done")
}

/// Coordinators and their workers in one process: whatever happens, the same bits.
func stressRuns(count: Int) throws {
  var options = JobOptions()
  for (name, value) in [("model", "mlp:24,12"), ("epochs", "3"), ("micro-batches", "8"), ("batch-size", "96")] {
    try options.set(name, to: value)
  }
  let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
  var expected: [UInt32]?
  for round in 0..<count {
    let workers = 1 + round % 3
    let ends = Mutex<(address: String?, parameters: [UInt32]?)>((nil, nil))
    let coordinator = Thread.detach {
      let coordinator = try Coordinator(
        prepared.coordinated, binding: "tcp://127.0.0.1:*", awaitedWorkers: 0, sharesMemory: false, chunkSize: 1000)
      ends.withLock { $0.address = coordinator.address }
      try coordinator.run { _ in }
      coordinator.waitForWorkers()
      ends.withLock { $0.parameters = coordinator.parameters.array.map(\.bitPattern) }
    }
    while ends.withLock({ $0.address == nil }) { sched_yield() }
    let address = ends.withLock { $0.address! }
    onThreads(workers) { index in
      let worker = try Worker(
        connecting: address, name: "worker \(index)", threads: 1 + (round + index) % 3
      ) { try LoadedTask($0, models: ModelFactory.builtIn) }
      do {
        try worker.run()
      } catch {
        // One that comes after the end finds nobody.
        precondition("\(error)".contains("no coordinator answers"), "\(error)")
      }
    }
    coordinator.wait()
    let parameters = ends.withLock { $0.parameters }
    precondition(expected == nil || parameters == expected, "round \(round) ends with other bits")
    expected = parameters
  }
  say("runs: done")
}

extension Thread {
  /// Runs `body` on a new thread, whose end the semaphore tells.
  static func detach(_ body: @escaping @Sendable () throws -> Void) -> DispatchSemaphore {
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      do {
        try body()
      } catch {
        fatalError("\(error)")
      }
      done.signal()
    }
    thread.stackSize = 8 << 20
    thread.start()
    return done
  }
}

mutex_interposer_is_linked()
stressPool()
stressSums()
stressGradients()
stressPipes()
try stressRuns(count: CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1])! : 6)
