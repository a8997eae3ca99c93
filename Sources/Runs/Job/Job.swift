package import Datasets
internal import Foundation
package import Models
package import Optimizers
package import Protocol

/// Everything that the result depends on. Two runs of equal jobs on equal data end with the same bits.
package struct Job: Equatable, Sendable {
  /// Where the data comes from.
  package var source: DataSource
  /// The model, such as `mlp:256,128`.
  package var model: String
  /// Between the model's layers.
  package var activation: Activation
  /// What training makes small.
  package var loss: Loss
  /// The share of hidden values that training drops.
  package var dropout: Double
  /// The update rule and its hyperparameters.
  package var optimizer: OptimizerSettings
  /// Examples a step, of all workers together.
  package var batchSize: Int
  /// Micro-batches a step; fixes the order of summing.
  package var microBatches: Int
  /// Epochs or steps.
  package var length: RunLength
  /// Fixes the initial parameters, the order of examples and the cut of the test part.
  package var seed: UInt64
  /// How features are scaled.
  package var scale: ScalingKind
  /// What becomes of a step whose loss or gradient is not finite.
  package var onNonFinite = NonFinitePolicy.stop

  /// Every option with its value as a user would write it, in the order of the help.
  package var options: [(name: String, value: String)] {
    var options = [("data", source.data)]
    if let label = source.label { options.append(("label", label)) }
    if let test = source.test { options.append(("test", test)) }
    if let fraction = source.testFraction { options.append(("test-fraction", "\(fraction)")) }
    if !source.isNone { options.append(("scale", scale.rawValue)) }
    options += [("model", model), ("activation", activation.rawValue)]
    if !source.isNone { options.append(("loss", loss.rawValue)) }
    options += [("dropout", "\(dropout)"), ("optimizer", optimizer.name)]
    for hyperparameter in OptimizerSettings.allHyperparameters {
      if let value = optimizer.values[hyperparameter.name] {
        options.append((hyperparameter.name, hyperparameter.text(value)))
      }
    }
    if !source.isNone { options.append(("batch-size", "\(batchSize)")) }
    options.append(("micro-batches", "\(microBatches)"))
    switch length {
    case .epochs(let epochs): options.append(("epochs", "\(epochs)"))
    case .steps(let steps): options.append(("steps", "\(steps)"))
    }
    options += [("seed", "\(seed)"), ("on-nonfinite", onNonFinite.rawValue)]
    return options
  }

  /// The request that the job's model is made by.
  package func modelRequest(_ data: LoadedData) -> ModelRequest {
    ModelRequest(
      arguments: "", inputs: data.featureCount, target: data.target, activation: activation, loss: loss,
      dropout: dropout)
  }

  /// The job's plan over `data`; without data a step is an epoch.
  package func plan(_ data: LoadedData) -> StepPlan {
    StepPlan(
      trainCount: source.isNone ? batchSize : data.train.count, testCount: data.test?.count ?? 0, batchSize: batchSize,
      microBatches: microBatches,
      length: length)
  }
}

/// Jobs are flat in JSON, under the names of the command line's options.
extension Job: Codable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Writes every option, so that nothing is left to defaults.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(source.data, forKey: Key("data"))
    try container.encodeIfPresent(source.label, forKey: Key("label"))
    try container.encodeIfPresent(source.test, forKey: Key("test"))
    try container.encodeIfPresent(source.testFraction, forKey: Key("test-fraction"))
    try container.encode(scale, forKey: Key("scale"))
    try container.encode(model, forKey: Key("model"))
    try container.encode(activation, forKey: Key("activation"))
    try container.encode(loss, forKey: Key("loss"))
    try container.encode(dropout, forKey: Key("dropout"))
    try container.encode(optimizer.name, forKey: Key("optimizer"))
    for (name, value) in optimizer.values { try container.encode(value, forKey: Key(name)) }
    try container.encode(batchSize, forKey: Key("batch-size"))
    try container.encode(microBatches, forKey: Key("micro-batches"))
    switch length {
    case .epochs(let epochs): try container.encode(epochs, forKey: Key("epochs"))
    case .steps(let steps): try container.encode(steps, forKey: Key("steps"))
    }
    try container.encode(seed, forKey: Key("seed"))
    try container.encode(onNonFinite, forKey: Key("on-nonfinite"))
  }

  /// Reads a complete job, as ``encode(to:)`` writes it.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    source = DataSource(
      data: try container.decode(String.self, forKey: Key("data")),
      label: try container.decodeIfPresent(String.self, forKey: Key("label")),
      test: try container.decodeIfPresent(String.self, forKey: Key("test")),
      testFraction: try container.decodeIfPresent(Double.self, forKey: Key("test-fraction")))
    scale = try container.decode(ScalingKind.self, forKey: Key("scale"))
    model = try container.decode(String.self, forKey: Key("model"))
    activation = try container.decode(Activation.self, forKey: Key("activation"))
    loss = try container.decode(Loss.self, forKey: Key("loss"))
    dropout = try container.decode(Double.self, forKey: Key("dropout"))
    guard dropout >= 0 && dropout < 1 else { throw JobError("dropout is \(dropout), which is not a share below 1") }
    var given: [String: Double] = [:]
    for name in OptimizerSettings.allHyperparameters.map(\.name) {
      given[name] = try container.decodeIfPresent(Double.self, forKey: Key(name))
    }
    optimizer = try OptimizerSettings(try container.decode(String.self, forKey: Key("optimizer")), given: given)
    func whole(_ name: String, _ allowed: ClosedRange<Int>) throws -> Int {
      let value = try container.decode(Int.self, forKey: Key(name))
      guard allowed.contains(value) else { throw JobError("\(name) is \(value), which is outside \(allowed)") }
      return value
    }
    batchSize = try whole("batch-size", JobOptions.batchSizes)
    microBatches = try whole("micro-batches", JobOptions.microBatchCounts)
    length =
      container.contains(Key("steps"))
      ? .steps(try whole("steps", JobOptions.stepCounts)) : .epochs(try whole("epochs", JobOptions.epochCounts))
    seed = try container.decode(UInt64.self, forKey: Key("seed"))
    onNonFinite = try container.decode(NonFinitePolicy.self, forKey: Key("on-nonfinite"))
  }
}
