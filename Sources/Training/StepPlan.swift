/// Which examples belong to which step and micro-batch: a pure function of the job and the data's size.
public struct StepPlan: Equatable, Sendable {
  /// Examples in the training part.
  public let trainCount: Int
  /// Examples in the test part; 0 for none.
  public let testCount: Int
  /// Examples a step, of all workers together.
  public let batchSize: Int
  /// Micro-batches a step.
  public let microBatches: Int
  /// Steps in the whole run.
  public let totalSteps: Int

  /// Examples a leaf of an evaluation has, at most.
  static let evaluationRows = 256

  /// A plan over `length` epochs or steps.
  public init(trainCount: Int, testCount: Int, batchSize: Int, microBatches: Int, length: Job.Length) {
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
  public var stepsPerEpoch: Int { (trainCount - 1) / batchSize + 1 }

  /// Epochs in the whole run, the last perhaps not to its end.
  public var totalEpochs: Int { totalSteps == 0 ? 0 : (totalSteps - 1) / stepsPerEpoch + 1 }

  /// The epoch of step `step`, both from 0.
  public func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }

  /// The positions of step `step` in its epoch's order.
  public func positions(ofStep step: Int) -> Range<Int> {
    let start = step % stepsPerEpoch * batchSize
    return start..<min(start + batchSize, trainCount)
  }

  /// Whether a step of this number of updates done ends an epoch, or the run.
  public func isEvaluationDue(afterStep step: Int) -> Bool {
    (step + 1) % stepsPerEpoch == 0 || step + 1 == totalSteps
  }

  /// Whether the evaluation after step number `steps`, from 1, is missing where the last one was after `evaluated`.
  func owesEvaluation(afterSteps steps: Int, evaluated: Int?) -> Bool {
    testCount > 0 && steps > 0 && isEvaluationDue(afterStep: steps - 1) && evaluated != steps
  }

  /// How a step's leaves are summed. A step with fewer examples than micro-batches has a leaf an example.
  func tree(_ task: StepTask) -> ReductionTree {
    switch task {
    case .train(let step): ReductionTree(leafCount: min(microBatches, positions(ofStep: step).count))
    case .evaluate: ReductionTree(leafCount: (testCount - 1) / StepPlan.evaluationRows + 1)
    }
  }

  /// The positions of `leaves`: in the epoch's order for training, in the test part's for evaluation. Leaves are
  /// contiguous, their sizes differ by at most one, the larger first.
  func positions(of leaves: Range<Int>, in task: StepTask) -> Range<Int> {
    let all = task.isTraining ? positions(ofStep: task.step) : 0..<testCount
    let leafCount = tree(task).leafCount
    let (size, larger) = all.count.quotientAndRemainder(dividingBy: leafCount)
    func start(_ leaf: Int) -> Int { all.lowerBound + leaf * size + min(leaf, larger) }
    return start(leaves.lowerBound)..<start(leaves.upperBound)
  }
}

/// What the workers do together at one time.
public enum StepTask: Hashable, Sendable {
  /// The gradient of step `step`, from 0.
  case train(step: Int)
  /// The test part's loss after `step` updates.
  case evaluate(step: Int)

  /// How many updates the parameters have that the task needs.
  public var step: Int {
    switch self {
    case .train(let step), .evaluate(let step): step
    }
  }

  /// Whether gradients are summed, not only metrics.
  public var isTraining: Bool {
    if case .train = self { true } else { false }
  }
}
