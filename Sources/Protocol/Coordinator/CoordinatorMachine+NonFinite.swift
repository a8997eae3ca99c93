package import Reduction
internal import Schema

/// Handles losses, gradients and parameters that are infinite or not a number.
///
/// In stop mode a worker reports such a loss or gradient in its metrics and does not push chunks that are not finite. Other
/// chunks of the step may be updated before the flaw is known, beside the current parameters, which stay. Sums of finite
/// gradients can still overflow, so every root is checked before the update.
///
/// In skip mode only the roots decide, because their bits are the same for every number of workers. No chunk is updated
/// before all roots are known to be finite.
extension CoordinatorMachine {
  package mutating func handleChecked(_ chunk: Int, nonFinite tensor: Int?, at now: Instant) {
    guard let work else { return }
    work.lastProgress = now
    work.uncheckedChunks -= 1
    switch configuration.onNonFinite {
    case .skip: work.flawedTensor = [work.flawedTensor, tensor].compactMap { $0 }.max()
    case .stop where work.endsRun: break
    case .stop:
      if let tensor {
        let flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor)
        end("\(flawText(flaw, in: work)): \(configuration.advice)", culprit: name(ofTensor: tensor), hasDiverged: true)
        return
      }
      work.finiteChunks.append(chunk)
      updateFiniteChunks()
    }
    if work.metrics.root != nil { concludeTask(at: now) }
  }

  /// In stop mode: updates the chunks whose root is finite, if the weight is known and not 0.
  mutating func updateFiniteChunks() {
    guard configuration.onNonFinite == .stop, let work, !work.endsRun, work.weights.root ?? 0 > 0,
      !configuration.updatesTogether || work.uncheckedChunks == 0
    else { return }
    for chunk in work.finiteChunks { update(chunk) }
    work.finiteChunks = []
  }

  package mutating func handleUpdated(_ chunk: Int, nonFinite tensor: Int?, at now: Instant) {
    guard let work else { return }
    if let tensor {
      end(
        "the update of step \(configuration.plan.stepAfter(step)) makes \(name(ofTensor: tensor)) not finite: try a smaller --learning-rate",
        culprit: name(ofTensor: tensor), hasDiverged: true)
      return
    }
    work.lastProgress = now
    work.openChunks -= 1
    sendUpdated(chunk)
    if work.openChunks == 0 && work.metrics.root != nil { completeTask(at: now) }
  }

  /// Called when all metrics are complete, and each time that a root is checked after that. Ends the run at once, or,
  /// when all roots are checked, skips the step or updates the chunks that no update was asked for.
  ///
  /// A step never ends before all its roots are checked, because its workers may then reuse their gradients.
  package mutating func concludeTask(at now: Instant) {
    guard let work, let steps = work.steps else { preconditionFailure("a task without its root") }
    guard !work.endsRun else {
      let index = steps.firstIndex { $0.flaw != nil } ?? 0
      let sum = steps[index]
      end(
        "\(flawText(sum.flaw, in: work, localStep: index)), and the step's loss is \(sum.meanLoss): \(configuration.advice), or --on-nonfinite skip",
        culprit: sum.flaw?.tensor.map { name(ofTensor: $0) } ?? "loss", hasDiverged: true)
      return
    }
    guard work.uncheckedChunks == 0 else { return }
    // The gradient is a mean over the weight, so a step whose examples weigh nothing has none.
    let isSkipped =
      work.task.isTraining
      && (work.weights.root == 0
        || configuration.onNonFinite == .skip
          && (work.flawedTensor != nil || !steps.allSatisfy(\.loss.isFinite)))
    if isSkipped || work.openChunks == 0 {
      completeTask(isSkipped: isSkipped, at: now)
    } else if configuration.onNonFinite == .skip {
      for chunk in 0..<configuration.chunks.count { update(chunk) }
    }
  }

  /// Drops the sums of a step or a round; warns the first time.
  package mutating func skip(_ work: Work, _ steps: [NodeMetrics]) {
    for chunk in 0..<configuration.chunks.count { actions.append(.discard(work.tree.root, chunk: chunk)) }
    actions.append(.skip)
    let isFirst = skippedSteps == 0
    skippedSteps += steps.count
    guard isFirst else { return }
    let index = steps.firstIndex { $0.flaw != nil || !$0.loss.isFinite } ?? steps.count - 1
    let sum = steps[index]
    guard sum.weight > 0 || configuration.plan.local != nil else {
      report(
        .warning(
          "step \(work.task.step + 1): its examples have no weight, so it has no update; further ones are only counted")
      )
      return
    }
    let flaw = sum.flaw ?? NodeMetrics.Flaw(leaf: nil, tensor: work.flawedTensor)
    report(
      .warning(
        "\(flawText(flaw, in: work, localStep: index)): the \(configuration.plan.local == nil ? "step" : "round") has no update; further ones are only counted"
      ))
  }

  /// Whether the leaf and the tensor that a worker names exist.
  package func isPlausible(_ flaw: NodeMetrics.Flaw, in node: Node, of work: Work) -> Bool {
    work.task.isTraining && flaw.leaf.map(node.leaves.contains) ?? true
      && flaw.tensor.map(configuration.layout.tensors.indices.contains) ?? true
  }

  private func name(ofTensor tensor: Int) -> String { configuration.layout.tensors[tensor].name }

  /// Says what is not finite, in which step and micro-batch, and which worker computed it.
  private func flawText(_ flaw: NodeMetrics.Flaw?, in work: Work, localStep: Int = 0) -> String {
    let isRound = configuration.plan.local != nil
    let what =
      flaw?.tensor.map { tensor in
        let isStatistic = configuration.layout.tensors[tensor].isStatistic
        return "the \(isStatistic ? "statistic" : isRound ? "gradient or update of" : "gradient of") "
          + name(ofTensor: tensor)
      } ?? "the loss"
    let step = work.task.step + localStep + 1
    guard let flaw, let leaf = flaw.leaf else { return "step \(step): \(what), summed, is not finite" }
    let who = work.finders[flaw].map { ", which \($0) computed," } ?? ""
    return
      "step \(step): in \(isRound ? "replica" : "micro-batch") \(leaf + 1) of \(work.tree.leafCount)\(who) \(what) is not finite"
  }
}
