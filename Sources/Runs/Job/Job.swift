package import Datasets
package import Models
package import Optimizers
package import Protocol
package import Schema

/// All options that the result depends on. Equal jobs on equal data end with the same bits.
public struct Job: Equatable, Sendable {
  package var data: DataSelection
  package var model: String
  package var modelOptions: OptionValues
  package var lossOptions = OptionValues([:])
  package var optimizer: OptimizerSettings
  /// Examples in a step, of all workers together.
  package var batchSize: Int
  /// Micro-batches in a step. They fix the order of summing.
  package var microBatches: Int
  package var length: RunLength
  /// The steps from an evaluation to the next; nil for an epoch.
  package var evaluateEvery: Int?
  /// Determines the initial parameters, the order of examples and the test part.
  package var seed: UInt64
  /// The absolute path of a saved model whose parameters are the initial ones; nil for those that the seed determines.
  package var initial: String?
  package var onNonFinite = NonFinitePolicy.stop
  package var precision = Precision.float32
  /// Whether evaluations read averages of the parameters.
  package var isAveraged: Bool { optimizer.isAveraged }
  /// The ``Numerics/version`` that the job is computed with.
  package var numerics = Numerics.version

  static let numericsKey = "numerics"
  static let recipeKey = "recipe"
  static let dataDigestKey = "data-digest"

  /// SHA-256 of the data that the job was made for (``LoadedData/fingerprint``); nil in jobs of earlier versions.
  package var dataDigest: String?

  /// Nil for a model with its own loss.
  package var loss: String? { modelOptions.values[OptionDeclaration.loss.name]?.description }

  /// Whether the loss needs classes; nil for a model with its own loss.
  package var classifies: Bool? { loss.flatMap(Losses.named).map { $0.classifies } }

  package var scale: ScalingKind {
    data.options[OptionDeclaration.scale.name].flatMap { ScalingKind(rawValue: $0.description) } ?? .none
  }

  /// The model as a user writes it, such as `mlp:256,128`.
  package var modelText: String {
    let argument = ModelKinds.registry.all.first { $0.name == model }?.alternative.argument
    return model + (argument.flatMap { modelOptions.values[$0] }.map { ":\($0.description)" } ?? "")
  }

  /// All options in the order of the help, and what the program adds: its versions, and the digest of the data.
  package var values: [(name: String, value: OptionValue)] {
    var values: [String: OptionValue] = ["data": .text(data.data), "model": .text(model)]
    values.merge(data.options) { $1 }
    values.merge(modelOptions.values) { $1 }
    values.merge(lossOptions.values) { $1 }
    values.merge(optimizer.values.values) { $1 }
    values["optimizer"] = .text(optimizer.name)
    if !data.stepIsWhole { values["batch-size"] = .whole(UInt64(batchSize)) }
    values["micro-batches"] = .whole(UInt64(microBatches))
    switch length {
    case .epochs(let epochs): values["epochs"] = .whole(UInt64(epochs))
    case .steps(let steps): values["steps"] = .whole(UInt64(steps))
    }
    if let evaluateEvery { values["evaluate-every"] = .whole(UInt64(evaluateEvery)) }
    values["seed"] = .whole(seed)
    if let initial { values["initial"] = .text(initial) }
    values["on-nonfinite"] = .text(onNonFinite.rawValue)
    values["precision"] = .text(precision.rawValue)
    // Options of a model that only another program has.
    let known = JobOptions.declarations.map(\.name)
    let others = values.keys.filter { !known.contains($0) }.sorted()
    return (known + others).compactMap { name in values[name].map { (name, $0) } }
      + [(Job.numericsKey, .whole(UInt64(numerics)))]
      + (data.recipeVersion > 0 ? [(Job.recipeKey, .whole(UInt64(data.recipeVersion)))] : [])
      + (dataDigest.map { [(Job.dataDigestKey, .text($0))] } ?? [])
  }

  /// What workers get. They compare the digest of their data themselves.
  package var sent: [String: OptionValue] {
    Dictionary(values.filter { $0.name != Job.dataDigestKey }.map { ($0.name, $0.value) }) { first, _ in first }
  }

  /// All options with their values as a user writes them.
  package var options: [(name: String, value: String)] { values.map { ($0.name, $0.value.description) } }

  /// The request for making the job's model.
  ///
  /// - Throws: ``OptionError`` if `factory` does not have these options.
  package func modelRequest(
    _ factory: ModelFactory, shape: [Int], target: Target, _ recipe: Recipe?
  ) throws -> ModelRequest {
    let type = loss.flatMap(Losses.named) ?? Losses.usual(for: target)
    // Jobs of earlier versions lack options that have a default.
    let lossOptions = try Losses.selector.alternative(type.name)?.values(lossOptions.values) ?? [:]
    var loss: any Loss = try type.init(OptionValues(lossOptions), for: target)
    if let deviation = recipe?.labels.first?.deviation, deviation != 1 {
      guard let divided = loss.dividingTargets(by: deviation) else {
        throw ModelError("--loss \(type.name) does not go with labels that the recipe divides by \(deviation)")
      }
      loss = divided
    }
    var request = ModelRequest(
      shape: shape, target: target, loss: loss,
      options: OptionValues(try factory.alternative.values(modelOptions.values)))
    request.isTable = recipe != nil
    request.embedded = (recipe?.features ?? []).enumerated().compactMap { index, feature in
      feature.vectors.map { (index, $0) }
    }
    return request
  }

  /// - Throws: ``ModelError`` if the model is none of `models`, or cannot be made.
  ///
  /// - Parameter recipe: of the data; nil for data that are no table.
  package func makeModel(
    _ models: [ModelFactory], shape: [Int], target: Target, _ recipe: Recipe?
  ) throws -> any Model {
    guard let factory = models.first(where: { $0.name == model }) else { throw models.unknown(model) }
    let made = try factory.model(modelRequest(factory, shape: shape, target: target, recipe))
    return optimizer.measuresNoise ? made.measuringNoise : made
  }

  /// Nil if every step sums all micro-batches.
  package var localSteps: LocalSteps? {
    guard let steps = optimizer.localSteps, let replicas = optimizer.replicas else { return nil }
    return LocalSteps(steps: steps, replicas: replicas)
  }

  /// - Throws: ``OptionError`` if replicas cannot share a step's micro-batches equally.
  func checkReplicas() throws {
    guard let replicas = optimizer.replicas, microBatches % replicas > 0 else { return }
    let divisors = (1...microBatches).filter { microBatches % $0 == 0 && $0 <= 1024 }.map(String.init)
    throw OptionError(
      "--replicas \(replicas): they cannot share the \(microBatches) micro-batches of a step equally; give "
        + "\(divisors.suffix(8).joined(separator: ", ")), or other --micro-batches")
  }

  package func plan(_ data: LoadedData) -> StepPlan {
    StepPlan(
      trainCount: data.train.count, validationCount: data.validation?.count ?? 0, testCount: data.test?.count ?? 0,
      batchSize: batchSize, microBatches: microBatches, length: length, evaluateEvery: evaluateEvery, local: localSteps,
      exampleSize: data.train.featureCount)
  }
}

/// In JSON a job is flat: a value for each option.
extension Job: Codable {
  /// Writes every option, so that defaults may change later.
  public func encode(to encoder: any Encoder) throws {
    try Dictionary(values.map { ($0.name, $0.value) }) { first, _ in first }.encode(to: encoder)
  }

  /// Reads a complete job of this or an earlier version.
  public init(from decoder: any Decoder) throws {
    try self.init([String: OptionValue](from: decoder))
  }

  /// Makes a complete job from its options; each is checked like a user's.
  ///
  /// - Throws: ``OptionError`` if one is missing, unknown or out of range.
  package init(_ values: [String: OptionValue]) throws {
    var options = JobOptions()
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { try options.set(name, to: value) }
    let given = options.given
    func value(_ name: String) throws -> OptionValue {
      guard let value = given[name] else { throw OptionError("the job has no \(name)") }
      return value
    }
    func whole(_ name: String) throws -> Int { Int(try value(name).number ?? 0) }
    // Earlier versions wrote all options of all data sources and models.
    func own(_ selector: OptionSelector, _ name: String) -> [String: OptionValue] {
      options.givenValues(of: selector.alternative(name)?.options ?? selector.options)
    }
    let data = try value("data").description
    self.data = DataSelection(data, own(DataSources.selector, data))
    model = try value("model").description
    modelOptions = OptionValues(own(ModelKinds.registry.all.selector, model))
    lossOptions = OptionValues(options.givenValues(of: Losses.selector.options))
    let optimizer = try value("optimizer").description
    self.optimizer = try OptimizerSettings(optimizer, given: options.givenValues(of: OptimizerSettings.options))
    microBatches = try whole("micro-batches")
    batchSize = given["batch-size"] == nil ? microBatches : try whole("batch-size")
    length = given["steps"] != nil ? .steps(try whole("steps")) : .epochs(try whole("epochs"))
    evaluateEvery = try given["evaluate-every"] == nil ? nil : whole("evaluate-every")
    guard case .whole(let seed) = try value("seed") else { throw OptionError("the job's seed is no whole number") }
    self.seed = seed
    initial = given["initial"]?.description
    onNonFinite = NonFinitePolicy(rawValue: try value("on-nonfinite").description) ?? .stop
    // Jobs of earlier versions do not name it.
    precision = given["precision"].flatMap { Precision(rawValue: $0.description) } ?? .float32
    try checkReplicas()
    numerics = options.marks.numerics ?? 1
    self.data.recipeVersion = options.marks.recipe ?? 0
    dataDigest = options.marks.dataDigest
  }
}
