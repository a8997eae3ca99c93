package import Reduction

/// How long a run is.
package enum RunLength: Equatable, Sendable {
  /// Passes over the training part.
  case epochs(Int)
  /// Updates; 0 leaves the initial parameters.
  case steps(Int)
}

/// Which examples belong to which step and micro-batch: a pure function of the job and the data's size.
package struct StepPlan: Equatable, Sendable {
  /// Examples in the training part.
  package let trainCount: Int
  /// Examples in the test part; 0 for none.
  package let testCount: Int
  /// Examples a step, of all workers together.
  package let batchSize: Int
  /// Micro-batches a step.
  package let microBatches: Int
  /// Steps in the whole run.
  package let totalSteps: Int

  /// Examples a leaf of an evaluation has, at most.
  package static let evaluationRows = 256

  /// A plan over `length` epochs or steps.
  package init(trainCount: Int, testCount: Int, batchSize: Int, microBatches: Int, length: RunLength) {
    precondition(trainCount > 0 && batchSize > 0 && microBatches > 0)
    self.trainCount = trainCount
    self.testCount = testCount
    self.batchSize = min(batchSize, trainCount)
    self.microBatches = microBatches
    let stepsPerEpoch = (trainCount - 1) / self.batchSize + 1
    switch length {
    case .epochs(let epochs): totalSteps = epochs * stepsPerEpoch
    case .steps(let steps): totalSteps = steps
    }
  }

  /// Steps an epoch; the last may be smaller.
  package var stepsPerEpoch: Int { (trainCount - 1) / batchSize + 1 }

  /// Epochs in the whole run, the last perhaps not to its end.
  package var totalEpochs: Int { totalSteps == 0 ? 0 : (totalSteps - 1) / stepsPerEpoch + 1 }

  /// The epoch of step `step`, both from 0.
  package func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }

  /// The positions of step `step` in its epoch's order.
  package func positions(ofStep step: Int) -> Range<Int> {
    let start = step % stepsPerEpoch * batchSize
    return start..<min(start + batchSize, trainCount)
  }

  /// Whether a step of this number of updates done ends an epoch, or the run.
  package func isEvaluationDue(afterStep step: Int) -> Bool {
    (step + 1) % stepsPerEpoch == 0 || step + 1 == totalSteps
  }

  /// Whether the evaluation after step number `steps`, from 1, is missing where the last one was after `evaluated`.
  package func isEvaluationPending(afterSteps steps: Int, evaluated: Int?) -> Bool {
    testCount > 0 && steps > 0 && isEvaluationDue(afterStep: steps - 1) && evaluated != steps
  }

  /// How a step's leaves are summed. A step with fewer examples than micro-batches has a leaf an example.
  package func tree(_ task: StepTask) -> ReductionTree {
    switch task {
    case .train(let step): ReductionTree(leafCount: min(microBatches, positions(ofStep: step).count))
    case .evaluate: ReductionTree(leafCount: (testCount - 1) / StepPlan.evaluationRows + 1)
    }
  }

  /// The positions of `leaves`: in the epoch's order for training, in the test part's for evaluation. Leaves are
  /// contiguous, their sizes differ by at most one, the larger first.
  package func positions(of leaves: Range<Int>, in task: StepTask) -> Range<Int> {
    let all = task.isTraining ? positions(ofStep: task.step) : 0..<testCount
    let leafCount = tree(task).leafCount
    let (size, larger) = all.count.quotientAndRemainder(dividingBy: leafCount)
    func start(_ leaf: Int) -> Int { all.lowerBound + leaf * size + min(leaf, larger) }
    return start(leaves.lowerBound)..<start(leaves.upperBound)
  }
}

/// What the workers do together at one time.
package enum StepTask: Hashable, Sendable {
  /// The gradient of step `step`, from 0.
  case train(step: Int)
  /// The test part's loss after `step` updates.
  case evaluate(step: Int)

  /// How many updates the parameters have that the task needs.
  package var step: Int {
    switch self {
    case .train(let step), .evaluate(let step): step
    }
  }

  /// Whether gradients are summed, not only metrics.
  package var isTraining: Bool {
    if case .train = self { true } else { false }
  }
}
