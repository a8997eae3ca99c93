internal import Dispatch
internal import Kernels
internal import Models
internal import Protocol
internal import Reduction
internal import Schema
internal import Synchronization

/// The sums of the gradient's chunks: adds them, checks them and updates the parameters with them.
///
/// What concerns one chunk is done in the order of the calls. Several chunks are worked on by threads, one for each
/// core; these yield to the workers of this machine, which the run waits for first. A single chunk is worked on by the
/// calling thread, because to wake another one takes longer than the sums of so small a model.
final class ChunkSums: Sendable {
  enum Operation: Sendable {
    /// Keep the gradient as the node's sum.
    case keep(Node, FloatBuffer)
    /// Add the right sum to the left one, which becomes their parent's.
    case combine(left: Node, right: Node)
    /// Drop the node's sum.
    case discard(Node)
    /// Look for values of the root that are not finite.
    case check
    /// Update with the root, which is then dropped: the closure gets the root and returns the new parameters.
    case update(@Sendable (_ sum: Floats) -> Floats)
  }

  /// The answer to ``Operation/check`` and ``Operation/update(_:)``.
  struct Answer: Sendable {
    var event: CoordinatorMachine.Event
    /// What a core has spent on the chunk since the last answer, divided by the number of threads.
    var seconds: Double
  }

  /// One chunk's sums and what is still to be done with them.
  private final class Lane: @unchecked Sendable {
    // Sendable: one thread at a time runs a lane, and the queue's lock orders them.
    let queue = Mutex<(operations: [(Operation, step: Int)], isRunning: Bool)>(([], false))
    var sums: [Node: FloatBuffer] = [:]
    var seconds = 0.0
  }

  private let chunks: ChunkLayout
  private let layout: ParameterLayout
  private let timeline: Timeline?
  private let lanes: [Lane]
  /// Nil if the calling thread does all.
  private let pool: ComputePool<Void>?
  private let threads: Int
  private let running = DispatchGroup()
  private let answers: Mailbox<Answer>

  /// - Parameters:
  ///   - isSlow: whether an update may take longer than the calling thread can be spared.
  ///   - wake: called on any thread when there are answers to take.
  init(
    _ chunks: ChunkLayout, _ layout: ParameterLayout, _ timeline: Timeline?, isSlow: Bool = false,
    wake: @escaping @Sendable () -> Void
  ) {
    (self.chunks, self.layout, self.timeline) = (chunks, layout, timeline)
    lanes = (0..<chunks.count).map { _ in Lane() }
    threads = max(min(Cores.allowed.count, chunks.count), 1)
    pool = threads > 1 || isSlow ? ComputePool(threads: threads, yieldsToOthers: true) {} : nil
    answers = Mailbox(wake: wake)
  }

  /// Does `operation` with a chunk, or queues it.
  ///
  /// - Parameter step: steps done; for the timeline.
  /// - Returns: the answer, if it is there at once; others come by ``takeAnswers()``.
  func apply(_ operation: Operation, to chunk: Int, step: Int) -> Answer? {
    guard let pool else { return run(operation, chunk, step) }
    let wasRunning = lanes[chunk].queue.withLock { queue in
      queue.operations.append((operation, step))
      defer { queue.isRunning = true }
      return queue.isRunning
    }
    if !wasRunning {
      running.enter()
      pool.add { [self] _ in
        while let (operation, step) = next(chunk) {
          if let answer = run(operation, chunk, step) { answers.post(answer) }
        }
        running.leave()
      }
    }
    return nil
  }

  func takeAnswers() -> [Answer] { pool == nil ? [] : answers.takeAll() }

  /// The root of each chunk. To be called when all have been checked.
  var roots: [FloatBuffer] { lanes.indices.map(root) }

  /// Waits until all that was queued is done.
  func finish() { running.wait() }

  /// Ends the threads after all that was queued.
  func close() {
    finish()
    pool?.close()
  }

  private func next(_ chunk: Int) -> (Operation, step: Int)? {
    lanes[chunk].queue.withLock { queue in
      queue.isRunning = !queue.operations.isEmpty
      return queue.isRunning ? queue.operations.removeFirst() : nil
    }
  }

  private func run(_ operation: Operation, _ chunk: Int, _ step: Int) -> Answer? {
    let lane = lanes[chunk]
    let start = Instant.now
    func took(_ activity: Timeline.Activity, _ leaves: Range<Int>? = nil) {
      let end = Instant.now
      lane.seconds += end.seconds(since: start)
      timeline?.record(activity, from: start, to: end, step: step, leaves: leaves, chunk: chunk)
    }
    func answer(_ event: CoordinatorMachine.Event) -> Answer {
      defer { lane.seconds = 0 }
      return Answer(event: event, seconds: lane.seconds / Double(threads))
    }
    switch operation {
    case .keep(let node, let gradient): lane.sums[node] = gradient
    case .discard(let node): lane.sums[node] = nil
    case .combine(let left, let right):
      guard let leftSum = lane.sums.removeValue(forKey: left), let rightSum = lane.sums.removeValue(forKey: right)
      else { preconditionFailure("the sums of \(left) and \(right) in chunk \(chunk) are not at hand") }
      accumulate(rightSum.values, into: leftSum.all, roundedCount: chunks.roundedCount(chunk))
      lane.sums[Node(left.start..<right.end)] = leftSum
      took(.sum, left.start..<right.end)
    case .check:
      let sum = root(chunk)
      let tensor = withExtendedLifetime(sum) { lastNonFiniteTensor(in: sum.values, chunk) }
      took(.check)
      return answer(.checked(chunk: chunk, nonFinite: tensor))
    case .update(let update):
      let sum = root(chunk)
      let tensor = withExtendedLifetime(sum) { lastNonFiniteTensor(in: update(sum.values), chunk) }
      lane.sums = [:]
      took(.update)
      return answer(.updated(chunk: chunk, nonFinite: tensor))
    }
    return nil
  }

  func root(_ chunk: Int) -> FloatBuffer {
    let sums = lanes[chunk].sums
    guard let (_, sum) = sums.first, sums.count == 1 else {
      preconditionFailure("chunk \(chunk) is not summed to its root")
    }
    return sum
  }

  private func lastNonFiniteTensor(in values: Floats, _ chunk: Int) -> Int? {
    layout.lastNonFiniteTensor(in: values, from: chunks.modelRange(chunk).lowerBound)
  }
}
