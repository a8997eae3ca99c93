import TestSupport

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Carries the machines' actions out, as `Coordinator` and `Worker` do.
extension Simulation {
  mutating func handle(_ event: CoordinatorMachine.Event, _ payload: Span? = nil) {
    guard coordinator != nil, outcome == nil else { return }
    isCoordinatorChanged = true
    var gone: [Peer] = []
    for action in coordinator!.machine.handle(event, at: instant) {
      switch action {
      case .send(let header, let body, let peer): send(header, body, to: peer, &gone)
      case .keep(let node, let chunk):
        if payload == nil { violate("it keeps \(node), which did not come") }
        queue(action, chunk, payload)
      case .combine(_, _, let chunk), .discard(_, let chunk), .check(let chunk): queue(action, chunk)
      case .update(let chunk, let number, _):
        if scenario.updatesTogether && scale.number != number {
          var gradient: [Float] = []
          for chunk in 0..<model.chunks.parameterChunks { gradient += root(chunk) ?? [] }
          scale = (number, TinyModel.scale(gradient))
        }
        queue(action, chunk)
      case .advance:
        if !sums.allSatisfy(\.isEmpty) || !lanes.allSatisfy(\.isEmpty) { violate("it goes on with sums at hand") }
        if pendingUpdates.count != sums.count { violate("it goes on after updates of the chunks \(pendingUpdates)") }
        pendingUpdates = []
        // What workers still read of the former parameters is written over in the next step.
        (current, updated) = (updated, current)
        updated.poison()
        rounded = (rounded.updated, rounded.current)
        rounded.updated.poison()
        averages = (averages.updated, averages.current)
        averages.updated.poison()
        let next = model.plan.stepAfter(step)
        (step, updates) = (next, updates + next - step)
      case .skip:
        if lanes.contains(where: { $0.contains { !$0.isDiscard } }) { violate("it skips before all is summed") }
        if !pendingUpdates.isEmpty { violate("it skips a step that it updates") }
        step = model.plan.stepAfter(step)
      case .report(let report): note(report)
      case .end(let error):
        let failure = error?.description
        log("the run ends: \(failure ?? "success")")
        outcome = failure ?? ""
        if !isAtUndisturbedState { violate("it ends after step \(step) with other bits than the undisturbed run's") }
      }
    }
    for peer in gone { handle(.unreachable(peer)) }
    if case .received(let header, _, _) = event, header.kind == .metrics,
      let due = coordinator?.machine.nextTakeover(after: instant), due.nanoseconds < now + Int64(scenario.tick * 1e9)
    {
      queue.add(.takeOver(life: lives), at: max(due.nanoseconds, now + 1_000_000))
    }
  }

  /// Puts off what is to be done with a chunk, as the coordinator's threads do. What concerns one chunk stays in order.
  private mutating func queue(_ action: CoordinatorMachine.Action, _ chunk: Int, _ payload: Span? = nil) {
    lanes[chunk].append(Operation(action: action, payload: payload))
    let time = max(laneEnds[chunk], now + Int64(magnitude(1e-6...scenario.longestSum) * 1e9))
    laneEnds[chunk] = time
    queue.add(.operation(chunk: chunk, life: lives), at: time)
  }

  /// Does what is to be done first with a chunk. The answer comes later.
  mutating func operate(on chunk: Int) {
    let operation = lanes[chunk].removeFirst()
    switch operation.action {
    case .keep(let node, _): sums[chunk][node] = operation.payload
    case .combine(let left, let right, _):
      guard let leftSum = sums[chunk].removeValue(forKey: left), let rightSum = sums[chunk].removeValue(forKey: right)
      else {
        violate("\(left) and \(right) are to be added and not at hand")
        return
      }
      leftSum.replace(with: model.add(leftSum.values, rightSum.values, from: model.chunks[chunk].lowerBound))
      sums[chunk][Node(left.start..<right.end)] = leftSum
    case .discard(let node, _):
      if sums[chunk].removeValue(forKey: node) == nil { violate("\(node) is to be dropped and not at hand") }
    case .check:
      guard let sum = root(chunk) else { return }
      let tensor = TinyModel.nonFinite(sum, from: model.chunks[chunk].lowerBound)
      schedule(.answer(.checked(chunk: chunk, nonFinite: tensor), life: lives), after: magnitude(1e-6...1e-3))
    case .update(_, let number, let weight):
      guard update(chunk, number, weight) else { return }
      schedule(.answer(.updated(chunk: chunk, nonFinite: nil), life: lives), after: magnitude(1e-6...1e-3))
    default: violate("\(operation.action) concerns no chunk")
    }
  }

  private mutating func root(_ chunk: Int) -> [Float]? {
    if sums[chunk].count == 1, let (node, sum) = sums[chunk].first, node == model.plan.tree(.train(step: step)).root {
      return sum.values
    }
    violate("chunk \(chunk) is not summed to its root but to \(sums[chunk].keys)")
    return nil
  }

  private mutating func update(_ chunk: Int, _ number: Int, _ weight: Double) -> Bool {
    guard number == updates + 1, let sum = root(chunk) else {
      violate("update \(number) comes after \(updates)")
      return false
    }
    let range = model.chunks[chunk]
    let before = Array(current.values[range])
    updated.values.replaceSubrange(
      range,
      with: model.plan.local != nil
        ? TinyModel.averaged(before, by: sum, weight: weight)
        : model.chunks.kind(chunk) == .parameters
          ? TinyModel.updated(before, by: sum, weight: weight, number: number, scale: scale.scale)
          : TinyModel.averaged(before, with: sum, examples: model.plan.positions(ofStep: step).count))
    rounded.updated.values.replaceSubrange(
      range, with: model.rounded(Array(updated.values[range]), from: range.lowerBound))
    if model.isAveraged {
      averages.updated.values.replaceSubrange(
        range, with: TinyModel.averages(Array(averages.current.values[range]), Array(updated.values[range])))
    }
    sums[chunk] = [:]
    if TinyModel.nonFinite(sum) != nil { violate("update \(number) has a gradient that is not finite") }
    if !pendingUpdates.insert(chunk).inserted { violate("chunk \(chunk) is updated twice") }
    return true
  }

  private mutating func note(_ event: TrainingEvent) {
    switch event {
    case .step(let report):
      log("step \(report.step) is done, skipped: \(report.isSkipped)")
      if report.step != result.losses.count + 1 { violate("step \(report.step) follows \(result.losses.count)") }
      result.losses.append(RunResult.bits(report.loss))
      if report.isSkipped { result.skipped.append(report.step) }
      // The state is that after the whole round.
      if report.step == step { save() }
    case .evaluation(let report):
      log("step \(report.step) is evaluated on the \(report.part) part")
      result.evaluations.append(RunResult.Evaluation(report.part, report.step, loss: report.loss))
      evaluatedSteps[report.part] = report.step
      if !isAtUndisturbedState {
        violate("the \(report.part) part is evaluated to something else after \(report.step)")
      }
      save()
    case .otherNumerics(let text), .warning(let text):
      log(text)
      warnings.append(text)
    case .workerLeft(_, _, let reason, _):
      log("\(event)")
      // Without a fault no sum is lost, and none is waited for in vain.
      if scenario.faults == 0, reason.contains("do not come") { violate(reason) }
    case .workerJoined, .waiting, .relays, .leftOut: log("\(event)")
    }
  }

  /// A checkpoint between two steps, before or after each evaluation where some are due.
  private mutating func save() {
    guard step - saved.step >= scenario.checkpointInterval || step == saved.step else { return }
    if Bool.random(using: &random) { saved = checkpoint }
  }

  private mutating func send(
    _ header: Header, _ body: CoordinatorMachine.Body, to peer: Peer, _ gone: inout [Peer]
  ) {
    let index = Int(peer.id) - 1
    if connections[index].losesToWorker { return }
    guard connections[index].isOpen, processes[connections[index].process].isAlive else {
      if connections[index].notice == .onSend { gone.append(peer) }
      return
    }
    let message: ToWorker
    switch body {
    case .none, .welcome: message = ToWorker(header: header, content: .none)
    case .routes(let routes): message = ToWorker(header: header, content: .routes(routes))
    case .unassigned(let unassigned): message = ToWorker(header: header, content: .unassigned(unassigned))
    case .ways(let ways): message = ToWorker(header: header, content: .ways(ways))
    case .reason(let reason): message = ToWorker(header: header, content: .reason(reason))
    case .roundStart: message = ToWorker(header: header, content: .roundStart(RoundStart(updates: updates)))
    case .parameters(let chunk):
      if model.plan.local == nil, model.chunks.kind(chunk) == .statistics,
        coordinator?.machine.work?.task.isTraining != false
      {
        violate("statistics are sent before the evaluation")
      }
      let content = WorkerMachine.Content.parameters(byteCount: model.chunks.byteCount(chunk, header.element))
      let range = model.chunks[chunk]
      let (before, after) =
        switch header.element {
        case .float32: (current, updated)
        case .bf16: rounded
        case .average: averages
        }
      let vector = header.step == UInt64(step) ? before : after
      let isShared = processes[connections[index].process].sharesMemory && connections[index].hop == nil
      message = ToWorker(
        header: header, content: content,
        payload: isShared ? Span(of: vector, range) : Span(copying: vector.values[range]))
    }
    connections[index].toWorker.append(message)
    if case .parameters = body {
      let sameSession = connections[index].toWorker.count {
        $0.header.kind == .parameters && $0.header.run == header.run && $0.header.session == header.session
      }
      // Those of its leaves, and the next step's; with several versions also those for an evaluation between
      // them.
      // What relays have not passed on may be sent again.
      if sameSession > (scenario.hasRelays ? 4 : scenario.precision == .bf16 || scenario.isAveraged ? 3 : 2)
        * model.chunks.count
      {
        violate("\(sameSession) chunks are on the way to \(index + 1)")
      }
    }
    if connections[index].toWorker.count > 60 { violate("\(index + 1) lets 60 messages pile up") }
    let time = max(connections[index].lastDeparture, now + Int64(magnitude(2e-5...0.01) * 1e9))
    connections[index].lastDeparture = time
    queue.add(.departure(connection: index), at: time)
  }

  mutating func handle(_ event: WorkerMachine.Event, at process: Int, _ payload: Span? = nil) {
    for action in processes[process].machine.handle(event, at: instant) {
      switch action {
      case .send(let header, let body): send(header, body, from: process)
      case .load: start(.load, at: process, seconds: magnitude(0.01...2))
      case .store(let chunk, let step, let element): store(payload, chunk, step, element, at: process)
      case .sendToRelay(let header, let body, let ticket): sendToRelay(header, body, ticket, from: process)
      case .link(let relays): link(relays, from: process)
      case .setRelay(let routes, let run): handle(.routes(routes, run: run), atRelay: process)
      case .relay(let node, let step, let chunk):
        guard let gradient = processes[process].gradients[node] else {
          violate("worker \(process) gives \(node), which is not at hand, to its relay")
          return
        }
        handle(
          .own(node, step: step, chunk: chunk), Array(gradient.values[model.chunks[chunk]]), atRelay: process)
      case .group(.own(let node, let step, let chunk)):
        guard let gradient = processes[process].gradients[node] else {
          violate("worker \(process) adds \(node), which is not at hand, to the sums of those behind it")
          return
        }
        handleGroup(
          .own(node, step: step, chunk: chunk), at: process, Array(gradient.values[model.chunks[chunk]]))
      case .group(let event): handleGroup(event, at: process)
      case .connect(let way): connect(way, from: process)
      case .passOn(let chunk, let step, let element):
        if let payload { passDown(payload, chunk: chunk, step: step, element, from: process) }
        passOn(payload, chunk: chunk, step: step, element, from: process)
      case .compute(let node, let task, let begin):
        if processes[process].pushed.step != task.step {
          for gradient in processes[process].pushed.gradients { gradient.poison() }
          processes[process].pushed = (task.step, [])
        }
        if task.isTraining {
          let unwritten = Vector(Array(repeating: .nan, count: model.chunks.valueCount))
          processes[process].computing[node] = (task, unwritten, Array(model.chunks.indices))
        }
        start(.node(node, task, begin), at: process, seconds: Double(node.leaves.count) * magnitude(0.002...0.02))
      case .combine(let left, let right, let chunks):
        guard let leftSum = processes[process].gradients[left], let rightSum = processes[process].gradients[right]
        else {
          violate("worker \(process) is to add \(left) and \(right), which are not at hand")
          return
        }
        let parent = Node(left.start..<right.end)
        processes[process].gradients[parent] = leftSum
        start(
          .sum(parent, left: leftSum, right: rightSum, chunks: chunks), at: process, seconds: magnitude(1e-5...1e-3))
      case .forget(let node): processes[process].gradients[node] = nil
      case .release(let node):
        let gradient = processes[process].gradients.removeValue(forKey: node)
        if processes[process].sharesMemory, let gradient { processes[process].pushed.gradients.append(gradient) }
      case .cancel:
        for gradient in processes[process].gradients.values { gradient.poison() }
        (processes[process].gradients, processes[process].computing) = ([:], [:])
        processes[process].cancellations += 1
      case .end(let failure):
        log("worker \(process) ends: \(failure ?? "success")")
        processes[process].isEnding = true
        if let failure, !failure.contains("has been gone for 300 s"), !failure.contains("no coordinator answers") {
          violate("worker \(process) ends: \(failure)")
        }
      }
    }
    // Leaves, and the sums that take their places.
    if processes[process].gradients.count > 2 * model.plan.microBatches {
      violate("worker \(process) keeps \(processes[process].gradients.count) gradients")
    }
    endIfAnswered(process)
  }

  /// Ends a process whose run is over, when those behind it know that.
  mutating func endIfAnswered(_ process: Int) {
    guard processes[process].isAlive, processes[process].isEnding,
      processes[process].group?.machine.awaitsAnswers != true
    else { return }
    processes[process].isAlive = false
    if let connection = processes[process].connection { connections[connection].notice = .onSend }
    ended(process, isKilled: false)
  }

  private mutating func store(
    _ payload: Span?, _ chunk: Int, _ step: Int, _ element: ElementKind, at process: Int
  ) {
    guard let payload else {
      violate("worker \(process) stores parameters that did not come")
      return
    }
    let vector = HeldParameters.vector(ofRound: model.plan.round(atStep: step))
    if payload.isShared {
      processes[process].parameters[element]![vector] = payload.vector
    } else {
      let received = processes[process].received[element]![vector]
      processes[process].parameters[element]![vector] = received
      received.values.replaceSubrange(model.chunks[chunk], with: payload.values)
    }
  }

  private mutating func send(_ header: Header, _ body: WorkerMachine.Body, from process: Int) {
    let content: CoordinatorMachine.Content
    var payload: Span?
    switch body {
    case .none: content = .none
    case .hello:
      let relay = processes[process].relayAddress.map {
        RelayOffer(id: processes[process].group?.id ?? 1, address: $0, key: nil)
      }
      content = .hello(Hello(name: name(of: process), threads: processes[process].threads, relay: relay))
    case .missing(let chunks): content = .missing(chunks)
    case .ready(let ready): content = .ready(ready)
    case .reason(let reason): content = .reason(reason)
    case .metrics(let metrics): content = .metrics(metrics)
    case .gradient(let node, let chunk):
      guard let gradient = processes[process].gradients[node] else {
        violate("worker \(process) is to push \(node), which is not at hand")
        return
      }
      content = .gradient(byteCount: model.chunks.byteCount(chunk, header.element))
      let range = model.chunks[chunk]
      payload =
        processes[process].sharesMemory ? Span(of: gradient, range) : Span(copying: gradient.values[range])
    }
    send(ToCoordinator(header: header, content: content, payload: payload), from: process)
  }

  mutating func send(_ message: ToCoordinator, from process: Int) { send(message, on: processes[process].route) }

  mutating func send(_ message: ToCoordinator, onConnection index: Int) {
    let process = connections[index].process
    if connections[index].losesToCoordinator { return }
    connections[index].toCoordinator.append(message)
    connections[index].sent.append(message)
    if connections[index].sent.count > 12 { connections[index].sent.removeFirst() }
    if connections[index].toCoordinator.count > 100 { violate("100 messages of worker \(process) pile up") }
    if connections[index].isEstablished { scheduleArrival(on: index) }
  }

  mutating func scheduleArrival(on index: Int) {
    let time = max(connections[index].lastArrival, now + Int64(magnitude(2e-5...0.01) * 1e9))
    connections[index].lastArrival = time
    queue.add(.arrival(connection: index), at: time)
  }

  /// Gives a task to the compute thread that is free first.
  private mutating func start(_ task: Task, at process: Int, seconds: Double) {
    let slowness = processes[process].slowness
    var end = now + Int64(seconds * 1e9)
    if case .node(let node, let task, let begin) = task {
      let thread = processes[process].threadsFree.indices.min {
        processes[process].threadsFree[$0] < processes[process].threadsFree[$1]
      }!
      end = max(now, processes[process].threadsFree[thread]) + Int64(seconds * slowness * 1e9)
      processes[process].threadsFree[thread] = end
      if task.isTraining, begin == nil, !processes[process].sharesMemory {
        let cancellations = processes[process].cancellations
        for _ in 0..<Int.random(in: 0...2, using: &random) {
          let time = end - Int64(seconds * slowness * Double.random(in: 0...0.5, using: &random) * 1e9)
          queue.add(.done(process: process, .part(node, task), cancellations: cancellations), at: max(now, time))
        }
      }
    }
    queue.add(.done(process: process, task, cancellations: processes[process].cancellations), at: end)
  }

  mutating func finish(_ task: Task, isCancelled: Bool, at process: Int) {
    switch task {
    case .load:
      var ready = Ready(data: "data", layout: TinyModel.layout, numerics: .simulated)
      if processes[process].sharesMemory { ready.host = .simulated }
      processes[process].relay = RelayMachine(model.plan, model.chunks)
      handleGroup(.loaded(model.plan, model.chunks), at: process)
      handle(.loaded(ready, model.plan, model.chunks), at: process)
    case .node(let node, _, _) where isCancelled: handle(.computed(node, [NodeMetrics()]), at: process)
    case .node(let node, let task, let begin):
      let vector = HeldParameters.vector(ofRound: model.plan.round(atStep: task.step))
      func parameters(_ element: ElementKind) -> [Float] { processes[process].parameters[element]![vector].values }
      let read = parameters(model.chunks.element(0, for: task.kind))
      let (gradient, metrics): ([Float], [NodeMetrics])
      if let begin {
        if node.leaves.count > 1 { violate("worker \(process) trains the replicas \(node) at once") }
        (gradient, metrics) = model.train(
          node.start, from: task.step, updates: begin.updates, at: model.state(read, parameters(.float32)))
      } else {
        let computed = model.compute(node, task, at: read)
        (gradient, metrics) = (computed.0, [computed.1])
      }
      if task.isTraining, let (_, own, open) = processes[process].computing.removeValue(forKey: node) {
        for chunk in open { own.values.replaceSubrange(model.chunks[chunk], with: gradient[model.chunks[chunk]]) }
        processes[process].gradients[node] = own
      }
      handle(.computed(node, metrics), at: process)
    case .part(let node, let task): if !isCancelled { report(node, task, at: process) }
    case .sum(let node, let left, let right, let chunks):
      var tensor: Int?
      for range in chunks.map({ model.chunks[$0] }) {
        let sum = model.add(Array(left.values[range]), Array(right.values[range]), from: range.lowerBound)
        left.values.replaceSubrange(range, with: sum)
        right.values.replaceSubrange(range, with: repeatElement(.nan, count: range.count))
        tensor = [tensor, TinyModel.nonFinite(sum, from: range.lowerBound)].compactMap(\.self).max()
      }
      handle(.combined(node, chunks: chunks, nonFinite: tensor), at: process)
    }
  }

  /// Some chunks of a gradient that is being computed are final.
  private mutating func report(_ node: Node, _ task: StepTask, at process: Int) {
    guard let (present, own, open) = processes[process].computing[node], present == task else { return }
    let vector = HeldParameters.vector(ofRound: model.plan.round(atStep: task.step))
    let (gradient, metrics) = model.compute(
      node, task, at: processes[process].parameters[model.precision.element]![vector].values)
    var chunks: [Int] = []
    for chunk in open where chance(1, in: 2) {
      let values = gradient[model.chunks[chunk]]
      guard values.allSatisfy(\.isFinite) else { continue }
      own.values.replaceSubrange(model.chunks[chunk], with: values)
      chunks.append(chunk)
    }
    guard !chunks.isEmpty, metrics.loss.isFinite else { return }
    processes[process].computing[node]!.open.removeAll(where: chunks.contains)
    processes[process].gradients[node] = own
    handle(.final(node, chunks: chunks, weight: metrics.weight), at: process)
  }
}
