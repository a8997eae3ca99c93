internal import Reduction

/// Stores parameters, from the coordinator and from relays, and begins an assignment when all that it needs is there.
extension WorkerMachine {
  /// Takes an assignment, and begins if all of its parameters are there.
  ///
  /// - Parameter start: what it begins with, if it is one of local steps.
  /// - Returns: false if it cannot be computed.
  mutating func assign(_ header: Header, _ start: RoundStart?, at now: Instant) -> Bool {
    guard case .ready(let prepared) = state, threads > 0, prepared.work == nil,
      prepared.awaiting == nil || prepared.hasAsked,
      let step = Int(exactly: header.step), let task = StepTask(header.task, step: step)
    else { return false }
    switch task {
    case .train:
      guard step < prepared.plan.totalSteps, prepared.plan.isBetweenRounds(step),
        (start != nil) == (prepared.plan.local != nil)
      else { return false }
    case .evaluate(_, let part): guard prepared.plan.count(part) > 0 else { return false }
    }
    let leaves = header.leafRange
    guard !leaves.isEmpty, leaves.upperBound <= prepared.plan.tree(task).leafCount else { return false }
    (prepared.awaiting, prepared.roundStart, prepared.hasAsked) = (header, start, false)
    prepared.lastChunk = now
    prepared.pushesWithGroup = servesGroup && header.chunk == 0
    if prepared.pushesWithGroup { actions.append(.group(.assigned(header))) }
    beginIfComplete(prepared)
    return true
  }

  /// The chunks that an assignment needs and that have not come.
  func missingChunks(_ header: Header, _ prepared: Prepared) -> [Int] {
    let (chunks, round) = (prepared.chunks, prepared.plan.round(atStep: Int(header.step)))
    return chunks.indices.filter {
      chunks.isRead(chunks.kind($0), by: header.task)
        && !prepared.parameters.holds($0, round: round, chunks.element($0, for: header.task))
    }
  }

  /// Begins the assignment that was waiting, if all of its parameters and its routes are there.
  mutating func beginIfComplete(_ prepared: Prepared) {
    guard let header = prepared.awaiting, !prepared.hasAsked, let task = StepTask(header.task, step: Int(header.step)),
      missingChunks(header, prepared).isEmpty,
      use(routes: Int(header.chunk), prepared)
    else { return }
    prepared.awaiting = nil
    let leaves = header.leafRange
    // What is computed again replaces what was pushed.
    let isSameTask = prepared.pushed?.task == task
    releasePushed(prepared) { isSameTask && !$0.leaves.overlaps(leaves) }
    let tree = prepared.plan.tree(task)
    let nodes = AssignedNodes(
      tree, leaves: leaves, chunks: task.isTraining ? prepared.chunks.indices : 0..<0, pushesFlaws: onNonFinite == .skip
    )
    prepared.work = Work(task: task, nodes: nodes)
    let rows = prepared.plan.positions(of: 0..<1, in: task).count
    // A thread computes one replica of a round at a time.
    let isRound = task.isTraining && prepared.plan.local != nil
    let most = isRound ? 0 : prepared.plan.rows(atMost: SchedulingPolicy.maximumPieceRows)
    for piece in pieces(of: leaves, in: tree, threads: threads, rowsPerLeaf: rows, mostRows: most) {
      actions.append(.compute(piece, task, isRound ? prepared.roundStart : nil))
    }
  }

  /// Stores a chunk of parameters that fits the job and the time.
  ///
  /// - Returns: false if it does not fit.
  mutating func store(
    _ header: Header, _ byteCount: Int, isFromRelay: Bool = false, at now: Instant
  ) -> Bool {
    guard case .ready(let prepared) = state else { return false }
    let (chunk, step) = (Int(header.chunk), Int(truncatingIfNeeded: header.step))
    let plan = prepared.plan
    guard plan.isBetweenRounds(step), chunk < prepared.chunks.count, header.vector == prepared.chunks.kind(chunk),
      byteCount == prepared.chunks.byteCount(chunk, header.element)
    else { return false }
    // What a task computes with does not change while it runs. One that was given back may be replaced by any other.
    let isTimely =
      prepared.work.map { work in
        step == plan.stepAfter(work.task.step)
          || step == work.task.step && !prepared.chunks.isRead(header.vector, by: work.task.kind)
      }
      ?? prepared.awaiting.map {
        prepared.hasAsked || step == Int($0.step) || step == plan.stepAfter(Int($0.step))
      } ?? true
    let round = plan.round(atStep: step)
    let isNew =
      isFromRelay
      ? prepared.parameters.isNewer(chunk, round: round, header.element)
      : !prepared.parameters.holds(chunk, round: round, header.element)
    // Relays pass chunks on to everyone, also to a member that is late. What this drops, it asks the coordinator for.
    guard isTimely || !isNew || isFromRelay || header.kind == .pass else { return false }
    if isTimely && isNew {
      prepared.parameters.add(chunk, round: round, header.element)
      prepared.lastChunk = now
      actions.append(.store(chunk: chunk, step: step, header.element))
    }
    if header.kind == .pass { actions.append(.passOn(chunk: chunk, step: step, header.element)) }
    if let awaiting = prepared.awaiting, !prepared.hasAsked, step > Int(awaiting.step) {
      // A later step's chunk is the sum of all leaves: others have computed those of this assignment.
      askForMissing(awaiting, prepared)
    }
    beginIfComplete(prepared)
    return true
  }

  /// Asks the coordinator for the assignment's parameters that have not come.
  mutating func askForMissing(_ awaiting: Header, _ prepared: Prepared) {
    prepared.hasAsked = true
    send(.missing, .missing(MissingChunks(chunks: missingChunks(awaiting, prepared))), step: Int(awaiting.step))
  }

  /// Handles a message of a relay. It may come late, or from one that is not this session's.
  mutating func receive(_ header: Header, _ content: Content, fromRelay ticket: UInt64, at now: Instant) {
    guard case .ready(let prepared) = state, header.run == run, header.session == ticket else { return }
    // Newer parameters would replace those of an assignment that is still on its way.
    guard Int(header.step) <= prepared.plan.stepAfter(Int(coordinatorStep)) else { return }
    switch (header.kind, content) {
    case (.pong, _):
      prepared.links[ticket]?.hasAnswered = true
      reportLinked(prepared)
    case (.parameters, .parameters(let byteCount))
    where prepared.chunks.isRead(header.vector, by: .train) && prepared.chunks.mayGet(header.element, of: header.vector):
      _ = store(header, byteCount, isFromRelay: true, at: now)
    default: break
    }
  }
}
