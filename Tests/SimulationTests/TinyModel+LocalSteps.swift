@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Local steps by a rule with one moment.
extension TinyModel {
  /// What a round starts from: `read`, as it is sent for training, with the statistics of `float32`.
  func state(_ read: [Float], _ float32: [Float]) -> [Float] {
    let statistics = Self.layout.parameterCount..<Self.layout.count
    return read.indices.map { statistics.contains($0) ? float32[$0] : read[$0] }
  }

  /// A replica's change in a round, and the metrics of its steps.
  func train(_ replica: Int, from first: Int, updates: Int, at start: [Float]) -> ([Float], [NodeMetrics]) {
    var float32 = self
    float32.precision = .float32
    let (count, modelCount) = (Self.layout.parameterCount, Self.layout.count)
    var (values, all) = (start, [NodeMetrics]())
    for step in first..<plan.stepAfter(first) {
      let share = plan.microBatches(ofLeaves: replica..<replica + 1, inStep: step)
      var metrics = NodeMetrics(examples: 0, weight: 0, sums: [0])
      if !share.isEmpty {
        let task = StepTask.train(step: step)
        let gradient: [Float]
        (gradient, metrics) = float32.sum(Node(0..<share.count)) { leaf in
          float32.compute(Node(share.lowerBound + leaf..<share.lowerBound + leaf + 1), task, at: values)
        }
        metrics.flaw = metrics.flaw.map { NodeMetrics.Flaw(leaf: replica, tensor: $0.tensor) }
        if metrics.weight > 0 {
          let rate = 0.1 + 0.01 / Float(updates + step - first + 1)
          for index in 0..<count {
            let moment = modelCount + index
            values[moment] = 0.5 * values[moment] + gradient[index] / Float(metrics.weight)
            values[index] -= rate * values[moment]
          }
          let statistics = count..<modelCount
          values.replaceSubrange(
            statistics,
            with: Self.averaged(
              Array(values[statistics]), with: Array(gradient[statistics]), examples: Int(metrics.examples)))
        }
      }
      all.append(metrics)
    }
    let weight = Float(plan.averageWeight(of: replica..<replica + 1, in: .train(step: first)))
    var change = rounded(values.indices.map { weight * (start[$0] - values[$0]) })
    for tensor in all.compactMap({ $0.flaw?.tensor }) {
      for index in Self.layout.tensors[tensor].range { change[index] = .nan }
    }
    return (change, all)
  }

  /// The sum of all replicas' changes in a round, and the metrics of its steps.
  func trainAll(_ node: Node, from first: Int, updates: Int, at start: [Float]) -> ([Float], [NodeMetrics]) {
    guard let (left, right) = node.children else { return train(node.start, from: first, updates: updates, at: start) }
    let leftSum = trainAll(left, from: first, updates: updates, at: start)
    let rightSum = trainAll(right, from: first, updates: updates, at: start)
    return (add(leftSum.0, rightSum.0), zip(leftSum.1, rightSum.1).map(+))
  }

  private func sum(_ node: Node, _ leaf: (Int) -> ([Float], NodeMetrics)) -> ([Float], NodeMetrics) {
    guard let (left, right) = node.children else { return leaf(node.start) }
    let (leftSum, rightSum) = (sum(left, leaf), sum(right, leaf))
    return (add(leftSum.0, rightSum.0), leftSum.1 + rightSum.1)
  }

  /// A chunk's values after a round whose sum of changes is `sum`.
  static func averaged(_ values: [Float], by sum: [Float], weight: Double) -> [Float] {
    values.indices.map { values[$0] - sum[$0] / Float(weight) }
  }
}

extension StepPlan {
  /// This plan with local steps.
  func with(_ local: LocalSteps, evaluateEvery: Int? = nil) -> StepPlan {
    StepPlan(
      trainCount: trainCount, validationCount: validationCount, testCount: testCount, batchSize: batchSize,
      microBatches: microBatches, length: .steps(totalSteps), evaluateEvery: evaluateEvery, local: local)
  }
}
