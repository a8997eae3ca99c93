package import Datasets
internal import Kernels
internal import Models
internal import Protocol
internal import Reduction
internal import Schema

/// A model's loss and metrics on some examples.
package struct Evaluation: Equatable, Sendable {
  package let examples: Int
  package let loss: Double
  /// By name.
  package let figures: [String: Double]

  /// Evaluates `file`'s model on `examples`, on the calling thread. Summed like a run's evaluation, so the bits are the
  /// same.
  package init(_ file: ModelFile, on examples: Examples) {
    let sum = Evaluation.sum(file.model, file, examples)
    self.examples = examples.count
    let sums = file.model.metrics.inUnits(sum.sums)
    loss = sums[0] / sum.weight
    figures = file.model.metrics.values(
      weight: sum.weight, sums, targetVariation: examples.targetVariation)
  }

  private static func sum<M: Model>(_ model: M, _ file: ModelFile, _ examples: Examples) -> NodeMetrics {
    let plan = StepPlan(
      trainCount: 1, testCount: examples.count, batchSize: 1, microBatches: 1, length: .steps(0),
      exampleSize: examples.featureCount)
    let buffer = BatchBuffer(examples, scaling: file.description.scaling)
    var workspace = model.makeWorkspace()
    let task = StepTask.evaluate(step: 0, part: .test)
    func sum(_ node: Node) -> NodeMetrics {
      if let (left, right) = node.children { return sum(left) + sum(right) }
      let positions = plan.positions(of: node.leaves, in: task)
      let metrics = model.evaluate(buffer.gather(positions), at: file.parameters.values, using: &workspace)
      return NodeMetrics(examples: positions.count, metrics)
    }
    return sum(plan.tree(task).root)
  }
}
