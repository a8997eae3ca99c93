package import Reduction
internal import Schema

/// Losses, gradients and parameters that are infinite or not numbers.
///
/// A worker that finds such a loss or gradient says so in its metrics; in stop mode it does not push that gradient, so
/// that no chunk's root can be complete before all is known. Sums can still overflow here: each chunk's root is checked
/// before it is used. In skip mode the roots alone decide, because their bits depend on the job alone, and no chunk is
/// updated before all roots are known to be finite.
extension CoordinatorMachine {
  /// A chunk's root was looked through.
  package mutating func handleChecked(_ chunk: Int, nonFinite tensor: Int?, at now: Instant) {
    guard let work else { return }
    switch configuration.onNonFinite {
    case .skip: self.work!.flawedTensor = [work.flawedTensor, tensor].compactMap { $0 }.max()
    case .stop where work.endsRun: break
    case .stop:
      if let tensor {
        let flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor)
        end("\(flawText(flaw, in: work)): \(configuration.advice)", culprit: name(ofTensor: tensor))
        return
      }
      self.work!.finiteRoots.insert(chunk)
      guard work.weights.root ?? 0 > 0 else { return }
      if !configuration.updatesTogether {
        update(chunk)
      } else if self.work!.finiteRoots.count == configuration.chunks.count {
        for chunk in 0..<configuration.chunks.count { update(chunk) }
      }
    }
  }

  /// A chunk is updated; sends it on to those who wait for it.
  package mutating func handleUpdated(_ chunk: Int, nonFinite tensor: Int?, at now: Instant) {
    guard let work else { return }
    if let tensor {
      end(
        "the update of step \(step + 1) makes \(name(ofTensor: tensor)) not finite: try a smaller --learning-rate",
        culprit: name(ofTensor: tensor))
      return
    }
    self.work!.openChunks -= 1
    sendUpdated(chunk)
    if self.work!.openChunks == 0 && work.metrics.root != nil { completeTask(at: now) }
  }

  /// All metrics of the task are there, and with them all roots: ends the run, skips the step, or updates what is not
  /// updated yet.
  package mutating func concludeTask(at now: Instant) {
    guard let work, let sum = work.metrics.root else { preconditionFailure("a task without its root") }
    // Without a weight there is no mean, so no gradient.
    if work.task.isTraining, work.weights.root == 0, !work.endsRun {
      completeTask(isSkipped: true, at: now)
      return
    }
    switch configuration.onNonFinite {
    case .stop where work.endsRun:
      end(
        "\(flawText(sum.flaw, in: work)), and the step's loss is \(sum.meanLoss): \(configuration.advice), or --on-nonfinite skip",
        culprit: sum.flaw?.tensor.map(name(ofTensor:)) ?? "loss")
    case .skip where work.openChunks > 0:
      if work.flawedTensor != nil || !sum.loss.isFinite {
        completeTask(isSkipped: true, at: now)
      } else {
        for chunk in 0..<configuration.chunks.count { update(chunk) }
      }
    case .stop, .skip:
      if work.openChunks == 0 { completeTask(at: now) }
    }
  }

  /// Drops the step's sums; says so the first time.
  package mutating func skipStep(_ work: Work, _ sum: NodeMetrics) {
    for chunk in 0..<configuration.chunks.count { actions.append(.discard(work.tree.root, chunk: chunk)) }
    actions.append(.skip)
    skippedSteps += 1
    guard skippedSteps == 1 else { return }
    guard sum.weight > 0 else {
      report(
        .warning(
          "step \(work.task.step + 1): its examples have no weight, so it has no update; further ones are only counted")
      )
      return
    }
    let flaw = sum.flaw ?? NodeMetrics.Flaw(leaf: nil, tensor: work.flawedTensor)
    report(.warning("\(flawText(flaw, in: work)): the step has no update; further ones are only counted"))
  }

  /// Whether a worker's flaw is a place that exists.
  package func isPlausible(_ flaw: NodeMetrics.Flaw, in node: Node, of work: Work) -> Bool {
    work.task.isTraining && flaw.leaf.map(node.leaves.contains) ?? true
      && flaw.tensor.map(configuration.layout.tensors.indices.contains) ?? true
  }

  private func name(ofTensor tensor: Int) -> String { configuration.layout.tensors[tensor].name }

  /// What is not finite, in which step and micro-batch, and who computed it.
  private func flawText(_ flaw: NodeMetrics.Flaw?, in work: Work) -> String {
    let what = flaw?.tensor.map { "the gradient of \(name(ofTensor: $0))" } ?? "the loss"
    guard let flaw, let leaf = flaw.leaf else { return "step \(work.task.step + 1): \(what), summed, is not finite" }
    let who = work.finders[flaw].map { ", which \($0) computed," } ?? ""
    return
      "step \(work.task.step + 1): in micro-batch \(leaf + 1) of \(work.tree.leafCount)\(who) \(what) is not finite"
  }
}
