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
  /// How many numbers describe an example.
  package let featureCount: Int
  /// The model.
  package let model: any Model
  /// The data's fingerprint.
  package let fingerprint: String
  /// What R² measures against; nil for classification or without a test part.
  package let targetVariation: Double?

  /// What may help where something is not finite.
  var advice: String {
    let isScaled = job.source.isNone || job.scale == .standard
    return "try a smaller --learning-rate" + (isScaled ? "" : ", or --scale standard")
  }

  /// Loads the data that `options` name, resolves them against it, and makes the model.
  package init(_ options: JobOptions, models: [ModelFactory]) throws {
    let data = try LoadedData(options.source, classify: options.classifies, seed: options.chosenSeed)
    try self.init(options, data, models: models)
  }

  /// The same with the options' data, loaded already.
  package init(_ options: JobOptions, _ data: LoadedData, models: [ModelFactory]) throws {
    try self.init(options.resolve(data), data, models: models)
  }

  /// The job's optimizer over the model's parameters.
  func optimizer() throws -> Optimizer {
    try Optimizer(
      job.optimizer, tensors: model.layout.tensors.map { Optimizer.Tensor($0.name, $0.range) }, total: plan.totalSteps,
      stepsPerEpoch: plan.stepsPerEpoch)
  }

  init(_ job: Job, _ data: LoadedData, models: [ModelFactory]) throws {
    self.job = job
    plan = job.plan(data)
    scaling = Scaling(job.scale, of: data.train)
    target = data.target
    featureCount = data.featureCount
    model = try models.make(job.model, job.modelRequest(data))
    guard model.layout.count > 0 else { throw ModelError("--model \(job.model) has no parameters") }
    fingerprint = data.fingerprint
    targetVariation = data.test?.targetVariation
  }
}
