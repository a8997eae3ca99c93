package import Datasets
internal import Kernels
internal import Models
internal import Protocol
internal import Reduction

/// A model's figures on some examples.
package struct Evaluation: Equatable, Sendable {
  /// How many examples.
  package let examples: Int
  /// The mean loss.
  package let loss: Double
  /// The share classified right; nil for regression.
  package let accuracy: Double?
  /// 1 − squared error / variation of the targets; nil for classification.
  package let r2: Double?

  /// Computes `file`'s model on `examples` in the calling thread, summed as a run's evaluation is: the same bits.
  package init(_ file: ModelFile, on examples: Examples) {
    useOneThreadForMatrices()
    let sum = Evaluation.sum(file.model, file, examples)
    self.examples = examples.count
    loss = sum.loss / Double(examples.count)
    switch file.description.target {
    case .classification:
      accuracy = Double(sum.correct) / Double(examples.count)
      r2 = nil
    case .regression, .nothing:
      accuracy = nil
      r2 = examples.targetVariation.flatMap { $0 > 0 ? 1 - sum.squaredError / $0 : nil }
    }
  }

  private static func sum<M: Model>(_ model: M, _ file: ModelFile, _ examples: Examples) -> NodeMetrics {
    let plan = StepPlan(
      trainCount: 1, testCount: examples.count, batchSize: 1, microBatches: 1, length: .steps(0))
    let buffer = BatchBuffer(examples, scaling: file.description.scaling)
    var workspace = model.makeWorkspace()
    let task = StepTask.evaluate(step: 0)
    func sum(_ node: Node) -> NodeMetrics {
      if let (left, right) = node.children { return sum(left) + sum(right) }
      let positions = plan.positions(of: node.leaves, in: task)
      let metrics = model.evaluate(buffer.gather(positions), at: file.parameters.values, using: &workspace)
      return NodeMetrics(
        examples: Int64(positions.count), loss: metrics.loss, correct: Int64(metrics.correct),
        squaredError: metrics.squaredError)
    }
    return sum(plan.tree(task).root)
  }
}
