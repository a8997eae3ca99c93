import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

@Suite struct StepPlanTests {
  @Test(
    "every example is in exactly one micro-batch of each epoch, sizes differing by at most one",
    arguments: [
      (10, 4, 3), (10, 4, 8), (7, 7, 2), (1, 1, 5), (1000, 33, 8), (64, 64, 64), (5, 2, 2),
    ])
  func coversEachExampleOnce(_ count: Int, _ batch: Int, _ microBatches: Int) {
    let plan = StepPlan(
      trainCount: count, testCount: 0, batchSize: batch, microBatches: microBatches, length: .epochs(2))
    #expect(plan.totalSteps == 2 * plan.stepsPerEpoch)
    for epoch in 0..<2 {
      var positions: [Int] = []
      for step in epoch * plan.stepsPerEpoch..<(epoch + 1) * plan.stepsPerEpoch {
        #expect(plan.epoch(ofStep: step) == epoch)
        let task = StepTask.train(step: step)
        let leaves = (0..<plan.tree(task).leafCount).map { plan.positions(of: $0..<$0 + 1, in: task) }
        let sizes = leaves.map(\.count)
        #expect(sizes.min()! >= 1 && sizes.max()! - sizes.min()! <= 1 && sizes == sizes.sorted(by: >))
        #expect(plan.positions(of: 0..<leaves.count, in: task) == plan.positions(ofStep: step))
        positions += leaves.flatMap { Array($0) }
      }
      #expect(positions == Array(0..<count))
    }
  }

  @Test func evaluationIsDueAfterEachEpochAndAtTheEnd() {
    let plan = StepPlan(trainCount: 10, testCount: 5, batchSize: 4, microBatches: 2, length: .steps(7))
    #expect((0..<7).filter { plan.isEvaluationDue(afterStep: $0) } == [2, 5, 6])
    #expect(plan.totalEpochs == 3)
  }

  /// The evaluations of a run that goes from step to step, by the part and the steps before.
  private func evaluations(
    _ plan: StepPlan, after steps: Int = 0, evaluated before: [HeldOutPart: Int] = [:]
  ) -> [String] {
    var (evaluated, evaluations) = (before, [String]())
    for step in steps...plan.totalSteps {
      while let part = plan.pendingEvaluation(afterSteps: step, evaluated: evaluated) {
        evaluations.append("\(part) \(step)")
        guard evaluations.count < 100 else { return evaluations }
        evaluated[part] = step
      }
    }
    return evaluations
  }

  private func plan(_ validation: Int, _ test: Int, steps: Int = 7, every: Int? = nil) -> StepPlan {
    StepPlan(
      trainCount: 10, validationCount: validation, testCount: test, batchSize: 4, microBatches: 2,
      length: .steps(steps), evaluateEvery: every)
  }

  @Test func besideAValidationPartTheTestPartIsEvaluatedOnceAtTheEnd() {
    #expect(evaluations(plan(0, 0)) == [])
    #expect(evaluations(plan(0, 5)) == ["test 3", "test 6", "test 7"])
    #expect(evaluations(plan(6, 0)) == ["validation 3", "validation 6", "validation 7"])
    #expect(evaluations(plan(6, 5)) == ["validation 3", "validation 6", "validation 7", "test 7"])
    #expect(evaluations(plan(6, 5, every: 5)) == ["validation 5", "validation 7", "test 7"])
    #expect(evaluations(plan(6, 5, steps: 0)) == ["validation 0", "test 0"])
    #expect(evaluations(plan(6, 0, steps: 0)) == ["validation 0"])
    #expect(evaluations(plan(0, 5, steps: 0)) == ["test 0"])
  }

  @Test func aResumedRunDoesTheEvaluationsThatItLacks() {
    #expect(evaluations(plan(0, 5), after: 6) == ["test 6", "test 7"])
    #expect(evaluations(plan(0, 5), after: 6, evaluated: [.test: 6]) == ["test 7"])
    #expect(evaluations(plan(6, 5), after: 7, evaluated: [.validation: 6]) == ["validation 7", "test 7"])
    #expect(evaluations(plan(6, 5), after: 7, evaluated: [.validation: 7]) == ["test 7"])
    #expect(evaluations(plan(6, 5), after: 7, evaluated: [.validation: 7, .test: 7]) == [])
    // What ended after 7 steps goes on to 9.
    #expect(
      evaluations(plan(6, 5, steps: 9), after: 7, evaluated: [.validation: 7, .test: 7]) == ["validation 9", "test 9"])
    #expect(evaluations(plan(6, 5, steps: 9), after: 7, evaluated: [.validation: 6]) == ["validation 9", "test 9"])
  }

  @Test func eachPartIsCutByItsOwnCount() {
    let plan = StepPlan(
      trainCount: 1, validationCount: 600, testCount: 300, batchSize: 1, microBatches: 1, length: .steps(0))
    for (part, sizes) in [(HeldOutPart.validation, [200, 200, 200]), (.test, [150, 150])] {
      let task = StepTask.evaluate(step: 0, part: part)
      #expect((0..<plan.tree(task).leafCount).map { plan.positions(of: $0..<$0 + 1, in: task).count } == sizes)
      #expect(StepTask(task.kind, step: 0) == task)
    }
  }

  @Test func theTestPartIsCutIntoLeavesOfAtMost256() {
    let plan = StepPlan(trainCount: 1, testCount: 1000, batchSize: 1, microBatches: 1, length: .steps(0))
    let task = StepTask.evaluate(step: 0, part: .test)
    let sizes = (0..<plan.tree(task).leafCount).map { plan.positions(of: $0..<$0 + 1, in: task).count }
    #expect(sizes == [250, 250, 250, 250])
  }

  @Test(
    "leaves of an evaluation hold at most 64 MiB of examples",
    arguments: [(0, 4), (1 << 16, 4), (1 << 20, 63), (1 << 30, 1000)])
  func largeExamples(_ size: Int, _ leaves: Int) {
    let plan = StepPlan(
      trainCount: 1, testCount: 1000, batchSize: 1, microBatches: 1, length: .steps(0), exampleSize: size)
    #expect(plan.tree(.evaluate(step: 0, part: .test)).leafCount == leaves)
    #expect(plan.rows(atMost: 1024) == [0: 1024, 1 << 16: 256, 1 << 20: 16, 1 << 30: 1][size])
  }
}
