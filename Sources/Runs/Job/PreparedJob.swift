internal import Cluster
package import Datasets
internal import Foundation
package import Models
package import Optimizers
package import Protocol
package import Schema

/// A job that was checked against its data, with its model made. Does not hold the data.
package struct PreparedJob: Sendable {
  /// With every option filled in.
  package let job: Job
  package let plan: StepPlan
  package let scaling: Scaling
  /// How the records of a table become numbers; nil for other data.
  package let recipe: Recipe?
  /// What was found in a table; nil for other data.
  package let report: TableReport?
  package let target: Target
  /// Of an example.
  package let shape: [Int]
  package let model: any Model
  package let fingerprint: String
  /// What this process computes of the job.
  package let numerics: Numerics
  /// The denominator of R² for each held-out part; empty for classification.
  package let targetVariation: [HeldOutPart: Double]

  /// Numbers in an example.
  package var featureCount: Int { scaling.offset.count }

  /// Ends error messages about values that are not finite.
  var advice: String {
    let isScaled = [.standard, .channel].contains(job.scale) || job.data.options["scale"] == nil
    return "try a smaller --learning-rate" + (isScaled ? "" : ", or --scale standard")
  }

  package init(_ options: JobOptions, models: [ModelFactory]) throws {
    try self.init(options, options.load(), models: models)
  }

  /// `data` is the data that `options` name.
  package init(_ options: JobOptions, _ data: LoadedData, models: [ModelFactory]) throws {
    let job = try options.resolve(data, models: models)
    self.job = job
    plan = job.plan(data)
    scaling = Scaling(job.scale, of: data.train, only: data.recipe?.features.map(\.isScaled))
    guard (scaling.offset + scaling.factor).allSatisfy(\.isFinite) else {
      // All values were finite when they were read.
      throw DatasetError("\(job.data.data) changed while it was read: try again when it is complete")
    }
    (recipe, report) = (data.recipe, data.report)
    target = data.target
    shape = data.shape
    model = try job.makeModel(models, shape: data.shape, target: data.target, data.recipe)
    guard model.layout.parameterCount > 0 else { throw ModelError("--model \(job.modelText) has no parameters") }
    guard plan.smallestMicroBatch >= model.leastExamples else {
      throw ModelError(
        "--model \(job.modelText): a step has a micro-batch of fewer than the \(model.leastExamples) examples that the "
          + "model needs (batch norm over single pixels has no variance of one): give another --batch-size or fewer --micro-batches"
      )
    }
    if let local = plan.local, plan.stepsPerEpoch == 1 {
      throw OptionError(
        "--local-steps \(local.steps): an epoch has one step, and no round spans two epochs; give a smaller --batch-size, "
          + "or leave --local-steps out")
    }
    // Parameters and a gradient, at the least.
    let (bytes, memory) = (8 * model.layout.count, Int(ProcessInfo.processInfo.physicalMemory))
    guard bytes < memory else {
      throw ModelError(
        "--model \(job.modelText) has \(model.layout.count) parameters: they and a gradient take \(bytes >> 30) GiB, and this "
          + "machine has \(memory >> 30) GiB of memory")
    }
    fingerprint = data.fingerprint
    numerics = .here(
      LoadedTask(
        model: model, data: data, plan: plan, seed: job.seed, precision: job.precision, isAveraged: job.isAveraged,
        optimizer: try plan.local.map { [model, plan] _ in try job.makeOptimizer(model, plan) }), scaling)
    targetVariation = data.heldOut.compactMapValues(\.targetVariation)
    // Parameter groups may name tensors that this model does not have.
    _ = try optimizer()
  }

  package func optimizer() throws -> Optimizer { try job.makeOptimizer(model, plan) }
}

extension Job {
  /// The update rule for a model's parameters.
  func makeOptimizer(_ model: any Model, _ plan: StepPlan) throws -> Optimizer {
    try Optimizer(
      optimizer, tensors: model.layout.updatedTensors, total: plan.totalSteps, stepsPerEpoch: plan.stepsPerEpoch)
  }
}

extension ParameterLayout {
  /// The tensors that the update rule has to do with.
  var updatedTensors: [Optimizer.Tensor] {
    tensors.filter { !$0.isStatistic }.map { Optimizer.Tensor($0.name, $0.range, shape: $0.shape) }
  }
}
