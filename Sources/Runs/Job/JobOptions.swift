package import Datasets
internal import Foundation
internal import Models
internal import Optimizers
internal import Protocol
internal import Yams

/// Why a job cannot be run as it is written.
package struct JobError: Error, Equatable, CustomStringConvertible {
  /// A sentence that names the option, the value and the way out.
  package let description: String

  /// An error with its sentence.
  package init(_ description: String) {
    self.description = description
  }
}

/// A job as a user writes it: some options given, the others left to their defaults.
///
/// Command line and job files end here, so that both take the same names, the same values and the same errors.
package struct JobOptions: Equatable, Sendable {
  var data: String?
  var label: String?
  var test: String?
  var testFraction: Double?
  var scale: ScalingKind?
  var model: String?
  var activation: Activation?
  var loss: Loss?
  var dropout: Double?
  var optimizer: String?
  var hyperparameters: [String: Double] = [:]
  var batchSize: Int?
  var microBatches: Int?
  var length: RunLength?
  var seed: UInt64?
  var onNonFinite: NonFinitePolicy?
  /// The run's folder; nil for a new one under `runs`.
  package private(set) var output: String?

  // What makes sense, and keeps every product of them within an Int.
  static let batchSizes = 1...1 << 31
  static let microBatchCounts = 1...1 << 20
  static let epochCounts = 0...1 << 31
  static let stepCounts = 0...1 << 48

  /// No option given.
  package init() {}

  /// All options, in the order of help texts and job files.
  package static var names: [String] {
    ["data", "label", "test", "test-fraction", "scale", "model", "activation", "loss", "dropout", "optimizer"]
      + OptimizerSettings.allHyperparameters.map(\.name)
      + ["batch-size", "micro-batches", "epochs", "steps", "seed", "on-nonfinite", "output"]
  }

  /// Sets one option.
  ///
  /// - Throws: ``JobError`` where no option has that name, or the value is none of its.
  package mutating func set(_ name: String, to text: String) throws {
    switch name {
    case "data": data = try nonEmpty(name, text)
    case "label": label = try nonEmpty(name, text)
    case "test": test = try nonEmpty(name, text)
    case "test-fraction":
      testFraction = try number(name, text, "at least 0 and below 1") { $0 >= 0 && $0 < 1 }
    case "scale": scale = try choice(name, text)
    case "model": model = try nonEmpty(name, text)
    case "activation": activation = try choice(name, text)
    case "loss": loss = try choice(name, text)
    case "dropout": dropout = try number(name, text, "at least 0 and below 1") { $0 >= 0 && $0 < 1 }
    case "optimizer": optimizer = try nonEmpty(name, text)
    case "batch-size": batchSize = try whole(name, text, JobOptions.batchSizes)
    case "micro-batches": microBatches = try whole(name, text, JobOptions.microBatchCounts)
    case "epochs", "steps":
      guard length == nil else { throw JobError("epochs and steps exclude each other") }
      length =
        name == "epochs"
        ? .epochs(try whole(name, text, JobOptions.epochCounts)) : .steps(try whole(name, text, JobOptions.stepCounts))
    case "seed":
      guard let value = UInt64(text) else {
        throw JobError("--seed \(text): a whole number from 0 to \(UInt64.max) is needed")
      }
      seed = value
    case "on-nonfinite": onNonFinite = try choice(name, text)
    case "output": output = try nonEmpty(name, text)
    default:
      do {
        if let value = try OptimizerSettings.value(of: name, text) {
          hyperparameters[name] = value
          return
        }
      } catch let error as OptimizerError {
        throw JobError(error.description)
      }
      throw JobError("unknown option '\(name)'; known are \(JobOptions.names.joined(separator: ", "))")
    }
  }

  /// Reads a YAML file of options. What is set already stays: a flag beats the file.
  ///
  /// - Throws: ``JobError`` that names the file, the line and the key.
  package mutating func merge(file path: String) throws {
    let text: String
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      let exists = FileManager.default.fileExists(atPath: path)
      throw JobError("--job \(path): \(exists ? "cannot be read as text" : "no such file")")
    }
    try merge(yaml: text, of: path)
  }

  /// Reads the text of the file at `path`.
  mutating func merge(yaml text: String, of path: String) throws {
    let root: Yams.Node?
    do {
      // Given, as Yams would otherwise look for it in the environment.
      root = try Yams.compose(yaml: text, .default, .default, .utf8)
    } catch let error as YamlError {
      throw JobError("\(path) is not YAML: \(String(describing: error).split(separator: "\n").joined(separator: " "))")
    }
    var fromFile = JobOptions()
    guard let root else { return }
    guard let mapping = root.mapping else {
      throw JobError("\(path): options are needed, one a line, as in 'batch-size: 256'")
    }
    for (key, value) in mapping {
      let place = "\(path), line \(key.mark?.line ?? 0)"
      guard let name = key.string else { throw JobError("\(place): an option's name is needed before the colon") }
      guard let scalar = value.scalar else { throw JobError("\(place): \(name) needs one value") }
      do {
        try fromFile.set(name, to: scalar.string)
      } catch let error as JobError {
        throw JobError("\(place): \(error.description)")
      }
    }
    // The file stands below what was given before.
    let mine = self
    self = fromFile
    mine.overlay(on: &self)
  }

  /// Sets in `other` what is set here.
  func overlay(on other: inout JobOptions) {
    func give<Value>(_ property: WritableKeyPath<JobOptions, Value?>) {
      if let value = self[keyPath: property] { other[keyPath: property] = value }
    }
    give(\.data)
    give(\.label)
    give(\.test)
    give(\.testFraction)
    give(\.scale)
    give(\.model)
    give(\.activation)
    give(\.loss)
    give(\.dropout)
    give(\.optimizer)
    give(\.batchSize)
    give(\.microBatches)
    give(\.length)
    give(\.seed)
    give(\.onNonFinite)
    give(\.output)
    other.hyperparameters.merge(hyperparameters) { $1 }
  }

  /// The first option, besides the length, in which this differs from `other`.
  func firstDifference(from other: JobOptions) -> String? {
    func differs<Value: Equatable>(_ property: KeyPath<JobOptions, Value>) -> Bool {
      self[keyPath: property] != other[keyPath: property]
    }
    let properties: [(String, Bool)] = [
      ("data", differs(\.data)), ("label", differs(\.label)), ("test", differs(\.test)),
      ("test-fraction", differs(\.testFraction)), ("scale", differs(\.scale)), ("model", differs(\.model)),
      ("activation", differs(\.activation)), ("loss", differs(\.loss)), ("dropout", differs(\.dropout)),
      ("optimizer", differs(\.optimizer)), ("batch-size", differs(\.batchSize)),
      ("micro-batches", differs(\.microBatches)), ("seed", differs(\.seed)),
      ("on-nonfinite", differs(\.onNonFinite)),
    ]
    if let name = properties.first(where: \.1)?.0 { return name }
    return Set(hyperparameters.keys).union(other.hyperparameters.keys).sorted().first {
      hyperparameters[$0] != other.hyperparameters[$0]
    }
  }

  /// Where the data comes from, as far as options say.
  package var source: DataSource {
    DataSource(data: data ?? "digits", label: label, test: test, testFraction: testFraction)
  }

  /// The seed, given or not.
  package var chosenSeed: UInt64 { seed ?? 0 }

  /// Whether the options say that labels are classes; nil where the labels tell.
  package var classifies: Bool? { loss.map { $0 == .crossEntropy } }

  /// The options of a job with `optimizer`, which is one of several that these options are meant for: it gets those
  /// hyperparameters that it has (``OptimizerSettings/part(of:for:among:)``), and where its step is the whole training
  /// part, no batch size.
  package func selecting(_ optimizer: String, among optimizers: [String]) -> JobOptions {
    var options = self
    options.optimizer = optimizer
    guard optimizers.count > 1 else { return options }
    options.hyperparameters = OptimizerSettings.part(of: hyperparameters, for: optimizer, among: optimizers)
    if optimizer == GradientDescent.name { options.batchSize = nil }
    return options
  }

  /// Which of `optimizers` do without an option given, a sentence an option.
  package func notes(among optimizers: [String]) -> [String] {
    guard optimizers.count > 1 else { return [] }
    let batch =
      batchSize != nil && optimizers.contains(GradientDescent.name)
      ? ["--batch-size goes to all but \(GradientDescent.name), whose step is the whole training part"] : []
    return OptimizerSettings.notes(on: hyperparameters, among: optimizers) + batch
  }

  /// Fills in the defaults and checks the whole against the loaded data.
  package func resolve(_ loaded: LoadedData) throws -> Job {
    let isNone = loaded.source.isNone
    if isNone { try refuseDataOptions() }
    let microBatches = microBatches ?? (isNone ? 1 : 8)
    let count = isNone ? microBatches : loaded.train.count
    let optimizer = try OptimizerSettings(optimizer ?? "adam", given: hyperparameters)
    let isFullBatch = optimizer.name == GradientDescent.name
    if let batchSize, isFullBatch && batchSize != count {
      throw JobError(
        "--batch-size \(batchSize) does not go with --optimizer \(optimizer.name): a step is the whole training part, "
          + "\(count) examples; leave it out, or take --optimizer sgd")
    }
    if let batchSize, batchSize > count {
      throw JobError("--batch-size \(batchSize): the training part has \(count) examples; give at most \(count)")
    }
    return Job(
      source: loaded.source, model: model ?? "mlp:256,128", activation: activation ?? .relu,
      loss: loss ?? (loaded.target.isClassification ? .crossEntropy : .meanSquaredError),
      dropout: dropout ?? 0,
      optimizer: optimizer, batchSize: batchSize ?? (isNone || isFullBatch ? count : min(128, count)),
      microBatches: microBatches,
      length: length ?? .epochs(10), seed: chosenSeed, scale: scale ?? (isNone ? .none : .standard),
      onNonFinite: onNonFinite ?? .stop)
  }

  private func refuseDataOptions() throws {
    let why = [
      (scale != nil, "scale", "there are no features"), (loss != nil, "loss", "the model has a loss of its own"),
      (batchSize != nil, "batch-size", "a step has as many examples as --micro-batches"),
    ]
    for (isGiven, name, reason) in why where isGiven {
      throw JobError("--\(name) does not go with --data none: \(reason)")
    }
  }

  private func nonEmpty(_ name: String, _ text: String) throws -> String {
    guard !text.isEmpty else { throw JobError("--\(name): a value is needed") }
    return text
  }

  private func whole(_ name: String, _ text: String, _ allowed: ClosedRange<Int>) throws -> Int {
    guard let value = Int(text), allowed.contains(value) else {
      throw JobError("--\(name) \(text): a whole number from \(allowed.lowerBound) to \(allowed.upperBound) is needed")
    }
    return value
  }

  private func number(_ name: String, _ text: String, _ what: String, _ isAllowed: (Double) -> Bool) throws -> Double {
    guard let value = Double(text), isAllowed(value) else {
      throw JobError("--\(name) \(text): a number \(what) is needed")
    }
    return value
  }

  private func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: String, _ text: String) throws -> Choice
  {
    guard let choice = Choice(rawValue: text) else {
      throw JobError("--\(name) \(text): known are \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return choice
  }
}

extension Job {
  /// The job as YAML, every option written out: running it again gives the same bits.
  package func yaml() throws -> String {
    try Yams.serialize(node: Yams.Node(options.map { (Yams.Node($0.name), Yams.Node($0.value)) }))
  }
}
