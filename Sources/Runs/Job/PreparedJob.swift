package import Datasets
package import Models
internal import Optimizers
package import Protocol
internal import Schema

/// A job that is ready to run: its data has been looked at, its model is made. Does not hold the data.
package struct PreparedJob: Sendable {
  /// The job, every option filled in.
  package let job: Job
  /// Which examples belong to which step.
  package let plan: StepPlan
  /// How features are scaled.
  package let scaling: Scaling
  /// What is to be predicted.
  package let target: Target
  /// The shape of an example.
  package let shape: [Int]
  /// The model.
  package let model: any Model
  /// The data's fingerprint.
  package let fingerprint: String
  /// What R² measures against; nil for classification or without a test part.
  package let targetVariation: Double?

  /// How many numbers describe an example.
  package var featureCount: Int { scaling.offset.count }

  /// What may help where something is not finite.
  var advice: String {
    let isScaled = featureCount == 0 || job.scale == .standard
    return "try a smaller --learning-rate" + (isScaled ? "" : ", or --scale standard")
  }

  /// Loads the data that `options` name, resolves them against it, and makes the model.
  package init(_ options: JobOptions, models: [ModelFactory]) throws {
    try self.init(options, options.load(), models: models)
  }

  /// The same with the options' data, loaded already.
  package init(_ options: JobOptions, _ data: LoadedData, models: [ModelFactory]) throws {
    let job = try options.resolve(data, models: models)
    self.job = job
    plan = job.plan(data)
    scaling = Scaling(job.scale, of: data.train)
    target = data.target
    shape = data.shape
    model = try job.makeModel(models, shape: data.shape, target: data.target)
    guard model.layout.count > 0 else { throw ModelError("--model \(job.modelText) has no parameters") }
    fingerprint = data.fingerprint
    targetVariation = data.test?.targetVariation
  }

  /// The job's optimizer over the model's parameters.
  func optimizer() throws -> Optimizer {
    try Optimizer(
      job.optimizer, tensors: model.layout.tensors.map { Optimizer.Tensor($0.name, $0.range) }, total: plan.totalSteps,
      stepsPerEpoch: plan.stepsPerEpoch)
  }
}
