internal import Reduction
internal import Schema

/// Sums gradients chunk by chunk up the tree, checks and updates each complete root, then starts the next task.
extension CoordinatorMachine {
  /// The node of the current task that a message is about; nil if the message came too late.
  private mutating func resolveNode(
    of header: Header, from peer: Peer, isFromRelay: Bool = false, at now: Instant
  ) -> Node? {
    guard let work, header.step == UInt64(work.task.step), header.task == work.task.kind else {
      // A lagging worker may send sums of an earlier step, but none of a later one.
      if header.step > UInt64(step) { expel(peer, "it sent sums of step \(header.step), which has not begun", at: now) }
      return nil
    }
    let leaves = header.leafRange
    guard work.tree.contains(leaves) else {
      expel(peer, "it sent a sum of the leaves \(leaves), which are no node of the step's tree", at: now)
      return nil
    }
    let node = Node(leaves)
    // After a relay is lost, members push finished nodes again.
    guard
      let member = members[peer],
      member.unfinishedNodes.contains(node) || isFromRelay || work.usesRelays && member.weights[node] != nil
    else {
      expel(peer, "it sent a sum of the leaves \(node), which are no node that it was to compute", at: now)
      return nil
    }
    return node
  }

  /// Whether all messages about a node give the same weight; if not, the worker is expelled.
  private mutating func hasSameWeight(_ node: Node, _ weight: Double, from peer: Peer, at now: Instant) -> Bool {
    let known = members[peer]!.weights.updateValue(weight, forKey: node)
    guard let known, known != weight else { return true }
    expel(peer, "it said that the examples of the leaves \(node) weigh \(known), and then \(weight)", at: now)
    return false
  }

  /// By what a node of a round counts in the average; nil if the task is no round.
  private func averageWeight(of node: Node) -> Double? {
    guard let work, work.task.isTraining, configuration.plan.local != nil else { return nil }
    return configuration.plan.averageWeight(of: node.leaves, in: work.task)
  }

  /// Takes what a node weighs, from the member that computes it.
  ///
  /// - Returns: false if the worker is expelled.
  private mutating func takeWeight(_ node: Node, _ weight: Double, from peer: Peer, at now: Instant) -> Bool {
    guard averageWeight(of: node).map({ $0 == weight }) ?? true else {
      expel(peer, "it said that the replicas \(node) weigh \(weight), which is not their examples", at: now)
      return false
    }
    guard hasSameWeight(node, weight, from: peer, at: now) else { return false }
    work!.weights.insert(node, weight)
    return true
  }

  package mutating func receiveGradient(_ header: Header, byteCount: Int, from peer: Peer, at now: Instant) {
    let chunk = Int(header.chunk)
    guard byteCount > 0 || header.weight == 0 else {
      // A relay hands on what a node of a member behind it weighs, and adds its gradient to others.
      guard let node = resolveNode(of: header, from: peer, at: now),
        takeWeight(node, header.weight, from: peer, at: now)
      else { return }
      updateFiniteChunks()
      return
    }
    let isFromRelay = isRelayed(header, from: peer)
    guard let node = resolveNode(of: header, from: peer, isFromRelay: isFromRelay, at: now) else { return }
    guard configuration.chunks.mayPush(header.element, of: header.vector) else {
      expel(peer, "it sent a chunk of \(header.vector) in \(header.element), which this run does not have", at: now)
      return
    }
    guard work!.task.isTraining, chunk < configuration.chunks.count,
      header.vector == configuration.chunks.kind(chunk),
      byteCount == configuration.chunks.byteCount(chunk, header.element)
    else {
      expel(peer, "it sent \(byteCount) bytes as chunk \(chunk) of the gradient", at: now)
      return
    }
    // Of a relay's sums the members give the weight; what it computes alone may be its own.
    if !isFromRelay || header.weight > 0 && members[peer]!.unfinishedNodes.contains(node) {
      guard takeWeight(node, header.weight, from: peer, at: now) else { return }
    }
    members[peer]!.lastProgress = now
    guard let (changes, top) = work!.sums[chunk].add(node) else { return }
    work!.lastProgress = now
    for change in changes {
      switch change {
      case .keep(let node): actions.append(.keep(node, chunk: chunk))
      case .discard(let node): actions.append(.discard(node, chunk: chunk))
      case .combine(let left, let right): actions.append(.combine(left: left, right: right, chunk: chunk))
      }
    }
    if top == work!.tree.root { actions.append(.check(chunk: chunk)) }
  }

  package mutating func update(_ chunk: Int) {
    guard let weight = work?.weights.root else { preconditionFailure("a chunk's root without its weight") }
    actions.append(.update(chunk: chunk, number: step + 1 - skippedSteps, weight: weight))
  }

  /// Sends an updated chunk to the workers that compute a part of this step, or have just finished one, while other
  /// chunks are still summed. Others get it with their next leaves. So at most the parameters of two steps are on their way
  /// to a worker. Workers that read a chunk in the coordinator's memory are only woken by it: while several chunks are
  /// updated they fall asleep, and would begin late; a single one would wake them once more for nothing.
  package mutating func sendUpdated(_ chunk: Int) {
    let next = configuration.plan.stepAfter(step)
    let kind = configuration.chunks.kind(chunk)
    // After the last round, parameters are evaluated, and moments are not read any more.
    let isLast = next == configuration.plan.totalSteps && (configuration.plan.evaluatedPart == nil || kind == .moments)
    guard !isLast, configuration.chunks.isRead(kind, by: .train) else { return }
    // What comes next decides which version of the parameters is wanted first.
    let isEvaluated = configuration.plan.isEvaluationDue(afterStep: next - 1) && configuration.plan.evaluatedPart != nil
    let task = isEvaluated ? TaskKind.evaluateTest : .train
    let relay = work!.routes?.relay(ofChunk: chunk)
    if let relay { sendParameters(chunk, step: next, for: task, to: relay, as: .pass) }
    for (peer, member) in members.sorted(by: { $0.value.number < $1.value.number })
    where member.task == work!.task && (!member.sharesMemory || configuration.chunks.count > 1) {
      if relay == nil || work!.routes!.beside.contains(peer) || !reachesRelays(peer) {
        sendParameters(chunk, step: next, for: task, to: peer)
      } else {
        // The relay passes it on.
        let (round, element) = (configuration.plan.round(atStep: next), configuration.chunks.element(chunk, for: task))
        member.parameters.add(chunk, round: round, element)
      }
    }
  }

  /// Handles a node's metrics, which follow its last chunk: those of its only step, or of the next step of a round. After
  /// those of the last one the node is finished.
  package mutating func receiveMetrics(_ header: Header, _ metrics: NodeMetrics, from peer: Peer, at now: Instant) {
    let node = resolveNode(of: header, from: peer, at: now)
    guard let isLast = countStep(header, isCurrent: node != nil, from: peer, at: now) else { return }
    let wasComplete = work?.metrics.root != nil
    guard isLast else {
      members[peer]!.taskComputeSeconds += metrics.computeSeconds
      members[peer]!.lastProgress = now
      if let node, addMetrics(node, metrics, ofLocalStep: Int(header.chunk), from: peer, at: now) {
        if work!.earlierMetrics[Int(header.chunk)].insert(node, metrics) { work!.lastProgress = now }
      }
      return
    }
    markNodeFinished(header, metrics, by: peer, at: now)
    if let node, finish(node, metrics, from: peer, at: now), work!.metrics.root != nil, !wasComplete {
      concludeTask(at: now)
      return
    }
    dispatch(at: now)
    takeOver(at: now)
  }

  /// Counts the steps of a node whose metrics have come; a member sends them in order.
  ///
  /// - Parameter isCurrent: whether they are of the current task.
  /// - Returns: whether these are the node's last; nil if the member is gone, or is expelled.
  private mutating func countStep(_ header: Header, isCurrent: Bool, from peer: Peer, at now: Instant) -> Bool? {
    guard let member = members[peer] else { return nil }
    let (node, localStep) = (Node(header.leafRange), Int(header.chunk))
    let task = isCurrent ? work?.task : member.task
    guard let task, header.step == UInt64(task.step), isCurrent || member.unfinishedNodes.contains(node) else {
      return true  // of a task that is over
    }
    guard localStep == member.measuredSteps[node, default: 0] else {
      expel(peer, "it sent the metrics of step \(localStep) of the leaves \(node) out of order", at: now)
      return nil
    }
    let isLast = localStep + 1 == configuration.plan.stepCount(of: task)
    member.measuredSteps[node] = isLast ? nil : localStep + 1
    return isLast
  }

  /// Removes a node from those that a worker must still finish; a worker without any becomes idle.
  private mutating func markNodeFinished(_ header: Header, _ metrics: NodeMetrics, by peer: Peer, at now: Instant) {
    guard let member = members[peer], let task = member.task, header.step == UInt64(task.step),
      header.task == task.kind
    else { return }
    let leaves = header.leafRange
    member.unfinishedNodes.removeAll { $0.leaves == leaves }
    member.taskComputeSeconds += metrics.computeSeconds
    member.finishedLeaves += leaves.count
    (member.lastProgress, member.finishTime) = (now, now)
    if member.unfinishedNodes.isEmpty && member.state == .busy {
      member.state = .idle
      let seconds = now.seconds(since: member.assignmentTime)
      member.assignedSeconds += seconds
      member.computedSeconds += member.threadSeconds(member.taskComputeSeconds, within: seconds)
      if member.isWarm {
        member.paces[task.isTraining, default: Pace()].add(
          leaves: member.leaves.count, seconds: seconds,
          computeSeconds: member.threadSeconds(member.taskComputeSeconds, within: seconds),
          countsComputingAlone: member.usesRelays || member.sharesMemory)
      }
      member.isWarm = true
    }
  }

  /// Checks the metrics of a node's step, and remembers what is not finite.
  ///
  /// - Returns: false if the worker is expelled.
  private mutating func addMetrics(
    _ node: Node, _ metrics: NodeMetrics, ofLocalStep localStep: Int, from peer: Peer, at now: Instant
  ) -> Bool {
    let examples = configuration.plan.exampleCount(of: node.leaves, in: work!.task, localStep: localStep)
    guard metrics.sums.count == configuration.metrics.sums.count else {
      expel(
        peer, "it sent \(metrics.sums.count) sums, where the model has \(configuration.metrics.sums.count)", at: now)
      return false
    }
    guard metrics.examples == Int64(examples) else {
      expel(peer, "it summed \(metrics.examples) examples in the leaves \(node), which have \(examples)", at: now)
      return false
    }
    if let flaw = metrics.flaw {
      guard isPlausible(flaw, in: node, of: work!) else {
        expel(peer, "it found something that is not finite outside of the leaves \(node)", at: now)
        return false
      }
      work!.finders[flaw] = work!.finders[flaw] ?? "worker \(members[peer]!.number) (\(members[peer]!.name))"
      if configuration.onNonFinite == .stop { work!.endsRun = true }
    }
    members[peer]!.computeSeconds += metrics.computeSeconds
    return true
  }

  /// Adds the metrics of a node's last step.
  ///
  /// - Returns: false if the worker is expelled.
  private mutating func finish(_ node: Node, _ metrics: NodeMetrics, from peer: Peer, at now: Instant) -> Bool {
    let average = averageWeight(of: node)
    let weight = average ?? metrics.weight
    guard addMetrics(node, metrics, ofLocalStep: work!.earlierMetrics.count, from: peer, at: now),
      hasSameWeight(node, weight, from: peer, at: now)
    else { return false }
    work!.weights.insert(node, weight)
    // What goes by relays may arrive later. A flaw may be that of an earlier step.
    guard
      work!.usesRelays || work!.isPushed(node) || work!.endsRun && (metrics.flaw != nil || average != nil)
    else {
      expel(peer, "it called the leaves \(node) done before it had pushed their gradient", at: now)
      return false
    }
    if work!.metrics.insert(node, metrics) { work!.lastProgress = now }
    updateFiniteChunks()
    return true
  }

  /// A report of each step of a task.
  private func stepReports(_ work: Work, _ steps: [NodeMetrics], isSkipped: Bool, at now: Instant) -> [StepReport] {
    let share = 1 / Double(steps.count)
    let computed = members.values.filter { $0.computeSeconds > 0 }.map { member in
      let span = (member.assignmentTime, member.finishTime)
      return WorkerSeconds(
        worker: member.number, seconds: member.computeSeconds * share,
        from: max(span.0.seconds(since: work.start), 0) * share, to: max(span.1.seconds(since: work.start), 0) * share)
    }
    return steps.enumerated().map { index, sum in
      StepReport(
        step: work.task.step + index + 1, epoch: configuration.plan.epoch(ofStep: work.task.step) + 1,
        examples: Int(sum.examples), weight: sum.weight, sums: configuration.metrics.inUnits(sum.sums),
        // Local steps without weight change no replica.
        isSkipped: isSkipped || sum.weight == 0, seconds: now.seconds(since: work.start) * share,
        computeSeconds: computed.sorted { $0.worker < $1.worker })
    }
  }

  /// Whether a step has a loss that is finite. One of a round may have examples without weight, which change no replica.
  private func isMeasured(_ sum: NodeMetrics, of work: Work) -> Bool {
    let isRound = work.task.isTraining && configuration.plan.local != nil
    return (configuration.metrics.inUnits(sum.sums)[0] / sum.weight).isFinite || isRound && sum.weight == 0
  }

  package mutating func completeTask(isSkipped: Bool = false, at now: Instant) {
    guard let work, let steps = work.steps, let sum = steps.last else { preconditionFailure("a task without its root") }
    let plan = configuration.plan
    let sums = configuration.metrics.inUnits(sum.sums)
    let loss = sums[0] / sum.weight
    if let index = steps.firstIndex(where: { !isMeasured($0, of: work) }), !isSkipped {
      let subject =
        switch work.task {
        case .train(let step): "of step \(step + index + 1)"
        case .evaluate(let step, let part): "on the \(part) part after step \(step)"
        }
      let loss = configuration.metrics.inUnits(steps[index].sums)[0] / steps[index].weight
      end("the loss \(subject) is \(loss): \(configuration.advice)", culprit: "loss", hasDiverged: true)
      return
    }
    switch work.task {
    case .train(let done):
      if isSkipped { skip(work, steps) } else { actions.append(.advance) }
      step = plan.stepAfter(done)
      let seconds = now.seconds(since: work.start)
      let longest = members.values.map { $0.threadSeconds($0.computeSeconds, within: seconds) }.max() ?? 0
      transferPace.add(transfers: work.transfers, seconds: seconds - longest)
      if transferPace.isLong && !hasSlowLinks {
        hasSlowLinks = true
        if configuration.topology == nil { proposeRoutes(at: now) }
      }
      for step in stepReports(work, steps, isSkipped: isSkipped, at: now) { report(.step(step)) }
      countStep(seconds: seconds, computing: longest, at: now)
    case .evaluate(_, let part):
      evaluatedSteps[part] = step
      report(
        .evaluation(
          EvaluationReport(
            part: part, step: step, epoch: step == 0 ? 0 : plan.epoch(ofStep: step - 1) + 1,
            examples: Int(sum.examples),
            loss: loss,
            figures: configuration.metrics.values(
              weight: sum.weight, sums, targetVariation: configuration.targetVariation[part]),
            seconds: now.seconds(since: work.start))))
    }
    for member in members.values { member.computeSeconds = 0 }
    lastProgress = now
    self.work = nil
    if let task = nextTask { begin(task, at: now) } else { end(nil) }
  }
}
