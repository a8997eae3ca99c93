internal import Reduction

/// How replicas train apart from each other between two averages: post-local SGD (T. Lin et al., ICLR 2020) and DiLoCo
/// (A. Douillard et al., arXiv 2311.08105, 2023).
///
/// A round is what they do between two averages. Each replica starts it from the shared state, takes its steps with its
/// own micro-batches, and is a leaf of the round's reduction tree.
package struct LocalSteps: Equatable, Sendable {
  /// H, the steps of a round, above 1. The last round of an epoch, or of the run, may be shorter.
  package let steps: Int
  /// K. Divides the micro-batches of a step.
  package let replicas: Int

  package init(steps: Int, replicas: Int) {
    precondition(steps > 1 && replicas > 0, "\(replicas) replicas of \(steps) local steps")
    (self.steps, self.replicas) = (steps, replicas)
  }
}

/// Rounds of local steps. Without them, each step is a round of its own.
extension StepPlan {
  /// The first step of the round that `step` belongs to.
  package func roundStart(of step: Int) -> Int { step - (step % stepsPerEpoch) % (local?.steps ?? 1) }

  /// The step after the round that `step` belongs to: where the next training task begins.
  package func stepAfter(_ step: Int) -> Int {
    guard let local else { return step + 1 }
    let epochEnd = (epoch(ofStep: step) + 1) * stepsPerEpoch
    return max(step + 1, min(roundStart(of: step) + local.steps, epochEnd, totalSteps))
  }

  /// Whether no round is unfinished after `step` steps.
  package func isBetweenRounds(_ step: Int) -> Bool { step == totalSteps || roundStart(of: step) == step }

  /// The rounds before `step`, which is between two rounds.
  package func round(atStep step: Int) -> Int {
    guard let local else { return step }
    func rounds(_ steps: Int) -> Int { (steps + local.steps - 1) / local.steps }
    return epoch(ofStep: step) * rounds(stepsPerEpoch) + rounds(step % stepsPerEpoch)
  }

  /// How many steps `task` has: those of a round, or 1.
  package func stepCount(of task: StepTask) -> Int { task.isTraining ? stepAfter(task.step) - task.step : 1 }

  /// The micro-batches of `step` that the leaves of a training task have: those leaves, or with local steps those of the
  /// replicas. Empty if the step has too few examples for them.
  package func microBatches(ofLeaves leaves: Range<Int>, inStep step: Int) -> Range<Int> {
    guard let local else { return leaves }
    let (share, count) = (microBatches / local.replicas, microBatchTree(ofStep: step).leafCount)
    return min(leaves.lowerBound * share, count)..<min(leaves.upperBound * share, count)
  }

  /// The examples of `leaves` in one step of `task`.
  ///
  /// - Parameter localStep: which step of a round, from 0.
  package func exampleCount(of leaves: Range<Int>, in task: StepTask, localStep: Int = 0) -> Int {
    guard case .train(let first) = task else { return positions(of: leaves, in: task).count }
    let (step, microBatches) = (first + localStep, microBatches(ofLeaves: leaves, inStep: first + localStep))
    return microBatches.isEmpty ? 0 : positions(of: microBatches, in: .train(step: step)).count
  }

  /// By what `leaves` of a round count in its average: their examples in all its steps.
  package func averageWeight(of leaves: Range<Int>, in task: StepTask) -> Double {
    Double((0..<stepCount(of: task)).reduce(0) { $0 + exampleCount(of: leaves, in: task, localStep: $1) })
  }
}
