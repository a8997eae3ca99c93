internal import Reduction

/// Stores parameters, from the coordinator and from relays, and begins an assignment when all that it needs is there.
extension WorkerMachine {
  /// Takes an assignment, and begins if all of its parameters are there.
  ///
  /// - Returns: false if it cannot be computed.
  mutating func assign(_ header: Header, at now: Instant) -> Bool {
    guard case .ready(var prepared) = state, prepared.work == nil, prepared.awaiting == nil || prepared.hasAsked,
      let step = Int(exactly: header.step), let task = StepTask(header.task, step: step)
    else { return false }
    switch task {
    case .train: guard step < prepared.plan.totalSteps else { return false }
    case .evaluate(_, let part): guard prepared.plan.count(part) > 0 else { return false }
    }
    let leaves = header.leafRange
    guard !leaves.isEmpty, leaves.upperBound <= prepared.plan.tree(task).leafCount else { return false }
    state = .over
    (prepared.awaiting, prepared.hasAsked) = (header, false)
    prepared.lastChunk = now
    beginIfComplete(&prepared)
    state = .ready(prepared)
    return true
  }

  /// The chunks that an assignment needs and that have not come.
  func missingChunks(_ header: Header, _ prepared: Prepared) -> [Int] {
    let chunks = prepared.chunks
    // Training does not read the statistics.
    let needed = 0..<(header.task == .train ? chunks.parameterChunks : chunks.count)
    return needed.filter {
      !prepared.parameters.holds($0, step: Int(header.step), chunks.element($0, for: header.task))
    }
  }

  /// Begins the assignment that was waiting, if all of its parameters and its routes are there.
  mutating func beginIfComplete(_ prepared: inout Prepared) {
    guard let header = prepared.awaiting, !prepared.hasAsked, let task = StepTask(header.task, step: Int(header.step)),
      missingChunks(header, prepared).isEmpty,
      use(routes: Int(header.chunk), &prepared)
    else { return }
    prepared.awaiting = nil
    releasePushed(&prepared)
    let leaves = header.leafRange
    let tree = prepared.plan.tree(task)
    prepared.work = Work(task: task, sums: PartialSums(tree), unpushedNodes: Set(tree.maximalNodes(in: leaves)))
    let rows = prepared.plan.positions(of: 0..<1, in: task).count
    let most = prepared.plan.rows(atMost: SchedulingPolicy.maximumPieceRows)
    for piece in pieces(of: leaves, in: tree, threads: threads, rowsPerLeaf: rows, mostRows: most) {
      actions.append(.compute(piece, task))
    }
  }

  /// Stores a chunk of parameters that fits the job and the time.
  ///
  /// - Returns: false if it does not fit.
  mutating func store(
    _ header: Header, _ byteCount: Int, isFromRelay: Bool = false, at now: Instant
  ) -> Bool {
    guard case .ready(var prepared) = state else { return false }
    let (chunk, step) = (Int(header.chunk), Int(truncatingIfNeeded: header.step))
    guard chunk < prepared.chunks.count, header.vector == prepared.chunks.kind(chunk),
      byteCount == prepared.chunks.byteCount(chunk, header.element)
    else { return false }
    // What a task computes with does not change while it runs. One that was given back may be replaced by any other.
    let isTimely =
      prepared.work.map { step == $0.task.step + 1 }
      ?? prepared.awaiting.map { prepared.hasAsked || (Int($0.step)...Int($0.step) + 1).contains(step) } ?? true
    let isNew =
      isFromRelay
      ? prepared.parameters.isNewer(chunk, step: step, header.element)
      : !prepared.parameters.holds(chunk, step: step, header.element)
    // Relays pass chunks on to everyone, also to a member that is late. What this drops, it asks the coordinator for.
    guard isTimely || !isNew || isFromRelay || header.kind == .pass else { return false }
    state = .over  // so that `prepared` is the only copy
    if isTimely && isNew {
      prepared.parameters.add(chunk, step: step, header.element)
      prepared.lastChunk = now
      actions.append(.store(chunk: chunk, step: step, header.element))
    }
    if header.kind == .pass { actions.append(.passOn(chunk: chunk, step: step, header.element)) }
    if let awaiting = prepared.awaiting, !prepared.hasAsked, step > Int(awaiting.step) {
      // A later step's chunk is the sum of all leaves: others have computed those of this assignment.
      askForMissing(awaiting, &prepared)
    }
    beginIfComplete(&prepared)
    state = .ready(prepared)
    return true
  }

  /// Asks the coordinator for the assignment's parameters that have not come.
  mutating func askForMissing(_ awaiting: Header, _ prepared: inout Prepared) {
    prepared.hasAsked = true
    send(.missing, .missing(MissingChunks(chunks: missingChunks(awaiting, prepared))), step: Int(awaiting.step))
  }

  /// Handles a message of a relay. It may come late, or from one that is not this session's.
  mutating func receive(_ header: Header, _ content: Content, fromRelay ticket: UInt64, at now: Instant) {
    guard case .ready(var prepared) = state, header.run == run, header.session == ticket else { return }
    // Newer parameters would replace those of an assignment that is still on its way.
    guard header.step <= coordinatorStep + 1 else { return }
    switch (header.kind, content) {
    case (.pong, _):
      state = .over
      prepared.links[ticket]?.hasAnswered = true
      reportLinked(&prepared)
      state = .ready(prepared)
    case (.parameters, .parameters(let byteCount))
    where header.vector == .parameters && prepared.chunks.mayGet(header.element, of: .parameters):
      _ = store(header, byteCount, isFromRelay: true, at: now)
    default: break
    }
  }
}
