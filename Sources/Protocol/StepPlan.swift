package import Reduction

package enum RunLength: Equatable, Sendable {
  case epochs(Int)
  /// 0 keeps the initial parameters.
  case steps(Int)
}

/// The examples of every step and micro-batch. Depends only on the job and the size of the data.
package struct StepPlan: Equatable, Sendable {
  package let trainCount: Int
  /// 0 for no test part.
  package let testCount: Int
  /// Examples in a step, of all workers together.
  package let batchSize: Int
  /// Micro-batches in a step.
  package let microBatches: Int
  package let totalSteps: Int
  /// The steps from an evaluation to the next; nil for an epoch.
  package let evaluateEvery: Int?

  /// How many numbers an example has.
  package let exampleSize: Int

  /// The most examples in a leaf of an evaluation, where they fit into memory.
  package static let evaluationRows = 256
  /// The most numbers of examples that are read into memory at once, 64 MiB.
  package static let mostNumbers = 1 << 24

  /// - Parameter exampleSize: 0 for data without numbers.
  package init(
    trainCount: Int, testCount: Int, batchSize: Int, microBatches: Int, length: RunLength, evaluateEvery: Int? = nil,
    exampleSize: Int = 0
  ) {
    precondition(trainCount > 0 && batchSize > 0 && microBatches > 0 && evaluateEvery != 0)
    (self.evaluateEvery, self.exampleSize) = (evaluateEvery, exampleSize)
    (self.trainCount, self.testCount) = (trainCount, testCount)
    self.batchSize = min(batchSize, trainCount)
    self.microBatches = microBatches
    let stepsPerEpoch = (trainCount - 1) / self.batchSize + 1
    switch length {
    case .epochs(let epochs): totalSteps = epochs * stepsPerEpoch
    case .steps(let steps): totalSteps = steps
    }
  }

  /// Steps in an epoch; the last may have fewer examples.
  package var stepsPerEpoch: Int { (trainCount - 1) / batchSize + 1 }

  /// Epochs in the whole run; the last may be incomplete.
  package var totalEpochs: Int { totalSteps == 0 ? 0 : (totalSteps - 1) / stepsPerEpoch + 1 }

  package func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }

  /// The positions of `step` in its epoch's order of examples.
  package func positions(ofStep step: Int) -> Range<Int> {
    let start = step % stepsPerEpoch * batchSize
    return start..<min(start + batchSize, trainCount)
  }

  /// The fewest examples of a micro-batch of the run.
  package var smallestMicroBatch: Int {
    // Leaves differ by at most one example. A worker computes the first leaf even if there is no step.
    let steps = [0, max(min(stepsPerEpoch, totalSteps), 1) - 1]
    return steps.map { positions(ofStep: $0).count / tree(.train(step: $0)).leafCount }.min()!
  }

  /// `count` examples, or as many as are read at once if that is fewer; at least one.
  package func rows(atMost count: Int) -> Int { min(count, max(1, StepPlan.mostNumbers / max(exampleSize, 1))) }

  /// Whether an evaluation follows `step`, from 0: at the end of an epoch, or every so many steps, and of the run.
  package func isEvaluationDue(afterStep step: Int) -> Bool {
    (step + 1) % (evaluateEvery ?? stepsPerEpoch) == 0 || step + 1 == totalSteps
  }

  /// Whether the evaluation after `steps` steps is still to be done, if the last one was after `evaluated`.
  package func isEvaluationPending(afterSteps steps: Int, evaluated: Int?) -> Bool {
    testCount > 0 && steps > 0 && isEvaluationDue(afterStep: steps - 1) && evaluated != steps
  }

  /// The tree along which the task's leaves are summed. A step with fewer examples than micro-batches has one leaf for
  /// each example.
  package func tree(_ task: StepTask) -> ReductionTree {
    switch task {
    case .train(let step): ReductionTree(leafCount: min(microBatches, positions(ofStep: step).count))
    // Another size changes the order of summing, and so the bits of test losses.
    case .evaluate: ReductionTree(leafCount: (testCount - 1) / rows(atMost: StepPlan.evaluationRows) + 1)
    }
  }

  /// The positions of `leaves`: in the epoch's order for training, in the test part for an evaluation. Leaves are
  /// contiguous; their sizes differ by at most one, the larger ones first.
  package func positions(of leaves: Range<Int>, in task: StepTask) -> Range<Int> {
    let all = task.isTraining ? positions(ofStep: task.step) : 0..<testCount
    let leafCount = tree(task).leafCount
    let (size, larger) = all.count.quotientAndRemainder(dividingBy: leafCount)
    func start(_ leaf: Int) -> Int { all.lowerBound + leaf * size + min(leaf, larger) }
    return start(leaves.lowerBound)..<start(leaves.upperBound)
  }
}

/// What all workers compute together.
package enum StepTask: Hashable, Sendable {
  /// The gradient of step `step`, from 0.
  case train(step: Int)
  /// The test part's loss after `step` updates.
  case evaluate(step: Int)

  /// The steps that the parameters must have had.
  package var step: Int {
    switch self {
    case .train(let step), .evaluate(let step): step
    }
  }

  package var isTraining: Bool {
    if case .train = self { true } else { false }
  }
}
