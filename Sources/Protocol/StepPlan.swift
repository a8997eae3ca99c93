package import Reduction
package import Schema

package enum RunLength: Equatable, Sendable {
  case epochs(Int)
  /// 0 keeps the initial parameters.
  case steps(Int)
}

/// The examples of every step and micro-batch. Depends only on the job and the size of the data.
package struct StepPlan: Equatable, Sendable {
  package let trainCount: Int
  /// 0 for no validation part.
  package let validationCount: Int
  /// 0 for no test part.
  package let testCount: Int
  /// Examples in a step, of all workers together.
  package let batchSize: Int
  /// Micro-batches in a step.
  package let microBatches: Int
  package let totalSteps: Int
  /// The steps from an evaluation to the next; nil for an epoch.
  package let evaluateEvery: Int?
  /// Nil if all micro-batches of a step are summed before the next one.
  package let local: LocalSteps?

  /// How many numbers an example has.
  package let exampleSize: Int

  /// The most examples in a leaf of an evaluation, where they fit into memory.
  package static let evaluationRows = 256
  /// The most numbers of examples that are read into memory at once, 64 MiB.
  package static let mostNumbers = 1 << 24

  /// - Parameter exampleSize: 0 for data without numbers.
  package init(
    trainCount: Int, validationCount: Int = 0, testCount: Int, batchSize: Int, microBatches: Int, length: RunLength,
    evaluateEvery: Int? = nil, local: LocalSteps? = nil, exampleSize: Int = 0
  ) {
    precondition(trainCount > 0 && batchSize > 0 && microBatches > 0 && evaluateEvery != 0)
    precondition(microBatches % (local?.replicas ?? 1) == 0, "replicas with unlike numbers of micro-batches")
    (self.evaluateEvery, self.local, self.exampleSize) = (evaluateEvery, local, exampleSize)
    (self.trainCount, self.validationCount, self.testCount) = (trainCount, validationCount, testCount)
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
    return steps.map { positions(ofStep: $0).count / microBatchTree(ofStep: $0).leafCount }.min()!
  }

  /// `count` examples, or as many as are read at once if that is fewer; at least one.
  package func rows(atMost count: Int) -> Int { min(count, max(1, StepPlan.mostNumbers / max(exampleSize, 1))) }

  /// Whether an evaluation follows `step`, from 0: at the end of an epoch, or every so many steps, and of the run. One
  /// that falls inside a round waits for the round's end.
  package func isEvaluationDue(afterStep step: Int) -> Bool {
    let (start, end, interval) = (roundStart(of: step), step + 1, evaluateEvery ?? stepsPerEpoch)
    return stepAfter(step) == end && (end / interval > start / interval || end == totalSteps)
  }

  /// The parts that are evaluated.
  package var heldOutParts: [HeldOutPart] { HeldOutPart.allCases.filter { count($0) > 0 } }

  /// The part that is evaluated during the run; nil if there is none. Its loss decides which checkpoint is the best and
  /// what the plateau schedule does.
  package var evaluatedPart: HeldOutPart? { heldOutParts.first }

  /// The part that is to be evaluated now, after `steps` steps; nil if no evaluation is left.
  ///
  /// - Parameter evaluated: the number of steps after which each part was last evaluated.
  package func pendingEvaluation(afterSteps steps: Int, evaluated: [HeldOutPart: Int]) -> HeldOutPart? {
    let isLast = steps == totalSteps
    guard steps > 0 ? isEvaluationDue(afterStep: steps - 1) : isLast else { return nil }
    if let evaluatedPart, evaluated[evaluatedPart] != steps { return evaluatedPart }
    return isLast && testCount > 0 && evaluated[.test] != steps ? .test : nil
  }

  package func count(_ part: HeldOutPart) -> Int {
    switch part {
    case .validation: validationCount
    case .test: testCount
    }
  }

  /// The tree along which a step's micro-batches are summed. A step with fewer examples than micro-batches has one leaf
  /// for each example.
  package func microBatchTree(ofStep step: Int) -> ReductionTree {
    ReductionTree(leafCount: min(microBatches, positions(ofStep: step).count))
  }

  /// The tree along which the task's leaves are summed: micro-batches, the replicas of a round, or parts of an evaluation.
  package func tree(_ task: StepTask) -> ReductionTree {
    switch task {
    case .train(let step): local.map { ReductionTree(leafCount: $0.replicas) } ?? microBatchTree(ofStep: step)
    // Another size changes the order of summing, and so the bits of the losses.
    case .evaluate(_, let part):
      ReductionTree(leafCount: (count(part) - 1) / rows(atMost: StepPlan.evaluationRows) + 1)
    }
  }

  /// The positions of `leaves`: of a step's micro-batches in the epoch's order, or in the evaluated part. Leaves are
  /// contiguous; their sizes differ by at most one, the larger ones first.
  package func positions(of leaves: Range<Int>, in task: StepTask) -> Range<Int> {
    let all =
      switch task {
      case .train(let step): positions(ofStep: step)
      case .evaluate(_, let part): 0..<count(part)
      }
    let leafCount =
      if case .train(let step) = task { microBatchTree(ofStep: step).leafCount } else { tree(task).leafCount }
    let (size, larger) = all.count.quotientAndRemainder(dividingBy: leafCount)
    func start(_ leaf: Int) -> Int { all.lowerBound + leaf * size + min(leaf, larger) }
    return start(leaves.lowerBound)..<start(leaves.upperBound)
  }
}
