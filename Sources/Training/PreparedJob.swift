public import Datasets
public import Models
internal import Optimizers

/// A job that is ready to run: its data has been looked at, its model is made. Does not hold the data.
public struct PreparedJob: Sendable {
  /// The job, every option filled in.
  public let job: Job
  /// Which examples belong to which step.
  public let plan: StepPlan
  /// How features are scaled.
  public let scaling: Scaling
  /// What is to be predicted.
  public let target: Target
  /// How many numbers describe an example.
  public let featureCount: Int
  /// The model.
  public let model: any Model
  /// The data's fingerprint.
  public let fingerprint: String
  /// What R² measures against; nil for classification or without a test part.
  public let targetVariation: Double?

  /// What may help where something is not finite.
  var advice: String {
    let isScaled = job.source.isNone || job.scale == .standard
    return "try a smaller --learning-rate" + (isScaled ? "" : ", or --scale standard")
  }

  /// Loads the data that `options` name, resolves them against it, and makes the model.
  public init(_ options: JobOptions, models: [ModelFactory]) throws {
    let data = try LoadedData(options.source, classify: options.classifies, seed: options.chosenSeed)
    try self.init(options, data, models: models)
  }

  /// The same with the options' data, loaded already.
  public init(_ options: JobOptions, _ data: LoadedData, models: [ModelFactory]) throws {
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
