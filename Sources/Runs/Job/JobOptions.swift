package import Datasets
internal import Foundation
package import Models
internal import Optimizers
internal import Protocol
package import Schema
internal import Synchronization

/// The options of a job that a user has given; the others have defaults.
///
/// The command line and job files both use it, so names, values and errors are the same.
public struct JobOptions: Equatable, Sendable {
  package private(set) var given: [String: OptionValue] = [:]
  /// Options that the text behind a colon has set, with the option that it stood in: `hidden`, with `model mlp:256,128`.
  private var shorthands: [String: String] = [:]
  /// What the program has written into a job file or a saved job beside its options.
  package var marks = Marks()
  /// The folder of the run that these options resume; nil for a new run.
  var resumed: String?

  /// Facts of a job that are no options: users cannot choose them.
  package struct Marks: Equatable, Sendable {
    /// The ``Numerics/version``; nil if none is named.
    package var numerics: Int?
    /// The ``Recipe/version``; nil if none is named.
    package var recipe: Int?
    /// ``LoadedData/fingerprint``; nil if none is named.
    package var dataDigest: String?

    static let names = [Job.numericsKey, Job.recipeKey, Job.dataDigestKey]
  }

  /// Options with nothing given.
  public init() {}

  // These ranges keep all products within an Int.
  package static let batchSizes: ClosedRange<UInt64> = 1...1 << 31
  static let microBatchCounts: ClosedRange<UInt64> = 1...1 << 20
  static let epochCounts: ClosedRange<UInt64> = 0...1 << 31
  static let stepCounts: ClosedRange<UInt64> = 0...1 << 48

  package static var dataOption: OptionDeclaration {
    let sources = DataSources.registry.all.map { $0.summary }
    return .text(
      "data", valueName: "data", defaultText: "digits; for a saved model what it was trained on",
      "What is learned from: \(sources.joined(separator: ", ")).")
  }

  package static var modelOption: OptionDeclaration {
    let kinds = ModelKinds.registry.all.map { $0.name + ($0.alternative.argument.map { ":\($0.uppercased())" } ?? "") }
    return .text(
      "model", valueName: "model", defaultText: "mlp:256,128", "The model: \(kinds.joined(separator: ", ")).")
  }

  private static let optimizer = OptionDeclaration.text(
    "optimizer", default: "adam", valueName: "name", "The update rule, one of `lockstep optimizers`.")

  private static let common: [OptionDeclaration] = [
    .whole("batch-size", batchSizes, defaultText: "128", "Examples a step, of all workers together."),
    .whole(
      "micro-batches", microBatchCounts, defaultText: "8; without data 1, and each is an example",
      "Micro-batches a step. Fixes the order of summing, and how many threads can share a step."),
    .whole("epochs", epochCounts, defaultText: "10", excludes: "steps", "Passes over the training part."),
    .whole("steps", stepCounts, excludes: "epochs", "Steps, in place of epochs; 0 writes the initial model."),
    .whole(
      "evaluate-every", 1...1 << 48, valueName: "steps", defaultText: "an epoch",
      "The steps from an evaluation of the validation part, or of the test part without one, to the next."),
    .whole(
      "seed", default: 0, 0...UInt64.max, valueName: "number",
      "Fixes the initial parameters, the order of examples and the test part."),
    .path("initial", "A saved model, or a run's folder, whose parameters training starts from."),
    .choice(
      "on-nonfinite", default: NonFinitePolicy.stop.rawValue, NonFinitePolicy.allCases.map(\.rawValue),
      valueName: "policy",
      "What becomes of a step whose loss or gradient is infinite or not a number: stop ends the run, skip leaves the step's update out."
    ),
    .choice(
      "precision", default: Precision.float32.rawValue, Precision.allCases.map(\.rawValue), valueName: "format",
      "What gradients, their sums and the parameters that they are computed at are rounded to, and sent as: bf16 is half of the bytes."
    ),
  ]

  /// The run's folder. Job files may give it too.
  package static let outputOption = OptionDeclaration.path(
    "output", valueName: "folder", defaultText: "runs/<time>", decides: false, "The run's folder.")

  /// The options of data sources, models and losses, and of every job.
  package static var ofJobs: [OptionDeclaration] {
    [dataOption] + DataSources.selector.options + [modelOption] + ModelKinds.registry.all.selector.options
      + Losses.selector.options + [optimizer] + common
  }

  private static var selectors: [OptionSelector] {
    [
      DataSources.selector, ModelKinds.registry.all.selector, Losses.selector, OptimizerSettings.selector,
      ScheduleKind.selector,
    ]
  }

  package static var declarations: [OptionDeclaration] { Catalog.current.declarations }

  /// Caches the declarations until a program registers something. A job file needs them many times.
  private struct Catalog: Sendable {
    let size: Int
    let declarations: [OptionDeclaration]
    let byName: [String: OptionDeclaration]
    private static let last = Mutex<Catalog?>(nil)

    static var current: Catalog {
      let size =
        DataSources.registry.all.count + ModelKinds.registry.all.count + UpdateRules.registry.all.count
        + Losses.registry.all.count
      return last.withLock { last in
        if let last, last.size == size { return last }
        let jobs = ofJobs
        let end = jobs.firstIndex { $0.name == optimizer.name }! + 1
        let all = jobs[..<end] + OptimizerSettings.options + jobs[end...] + [outputOption]
        let names = Set(all.map(\.name))
        precondition(names.isDisjoint(with: Marks.names), "an option has a name that is taken: \(Marks.names)")
        precondition(names.count == all.count, "two options of different kinds have one name: \(all.map(\.name))")
        let catalog = Catalog(
          size: size, declarations: Array(all), byName: Dictionary(all.map { ($0.name, $0) }) { first, _ in first })
        last = catalog
        return catalog
      }
    }
  }

  /// Sets an option to a value as a user writes it.
  ///
  /// - Throws: ``OptionError`` for an unknown option or a wrong value.
  package mutating func set(_ name: String, to text: String) throws {
    if Marks.names.contains(name) {
      try set(name, to: UInt64(text).map { .whole($0) } ?? .text(text))
    } else {
      try set(name, to: JobOptions.declaration(name).value(of: text))
    }
  }

  mutating func set(_ name: String, to value: OptionValue) throws {
    if Marks.names.contains(name) { return try marks.set(name, to: value) }
    let option = try JobOptions.declaration(name)
    if let other = option.excludes, let chosen = given[other] {
      throw OptionError("--\(other) \(chosen.description) and --\(name) \(value.description): give one of them")
    }
    if let whole = shorthands[name] { throw OptionError("--\(whole): --\(name) says the same; give one") }
    guard let checked = option.check(value) ?? JobOptions.unranged(option, value) else {
      throw OptionError("--\(name) \(value.description): it must be \(option.allowed)")
    }
    given[name] = checked
    if name == JobOptions.modelOption.name { try splitModel(checked.description) }
  }

  /// Sets each of `options` that has a value.
  package mutating func set(_ options: [(name: String, value: String?)]) throws {
    for option in options {
      if let value = option.value { try set(option.name, to: value) }
    }
  }

  private static func declaration(_ name: String) throws -> OptionDeclaration {
    let catalog = Catalog.current
    guard let option = catalog.byName[name] else {
      let names = catalog.declarations.map(\.name)
      throw OptionError(
        "unknown option '\(name)'; known are \(names.joined(separator: ", "))\(suggestion(name, names))")
    }
    return option
  }

  /// A number whose range depends on the update rule, which is not known yet.
  private static func unranged(_ option: OptionDeclaration, _ value: OptionValue) -> OptionValue? {
    guard case .real = option.kind, OptimizerSettings.options.contains(where: { $0.name == option.name }) else {
      return nil
    }
    return value.number.map { .real($0) }
  }

  /// Splits `mlp:256,128` into the model and its argument.
  private mutating func splitModel(_ text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, let kind = ModelKinds.registry.all.first(where: { $0.name == parts[0] }) else { return }
    guard let argument = kind.alternative.argument else {
      throw OptionError("--model \(text): \(parts[0]) takes nothing behind a colon")
    }
    guard given[argument] == nil || shorthands[argument] != nil else {
      throw OptionError("--model \(text): --\(argument) says the same; give one")
    }
    given[JobOptions.modelOption.name] = .text(parts[0])
    shorthands[argument] = nil
    do {
      try set(argument, to: parts[1])
    } catch let error as OptionError {
      throw OptionError("--model \(text): \(error.description)")
    }
    shorthands[argument] = "model \(text)"
  }

  /// Sets the options given here in `other`. Another model, rule, schedule or source replaces the options that belong to
  /// the former one alone, no outer steps those of outer steps, no local steps those of local steps, another length the former length.
  package func overlay(on other: inout JobOptions) {
    for selector in JobOptions.selectors where other.given[selector.name] != given[selector.name] {
      guard let chosen = given[selector.name].flatMap({ selector.alternative($0.description) }) else { continue }
      for option in selector.options where !chosen.options.contains(where: { $0.name == option.name }) {
        other.given[option.name] = nil
      }
    }
    let (outer, local) = (OptionDeclaration.outerEvery.name, OptionDeclaration.localSteps.name)
    let endsLocal = given[local] == .whole(1)
    if endsLocal { for option in OptionDeclaration.ofLocalSteps { other.given[option.name] = nil } }
    let hasOuter = [(outer, UInt64(0)), (local, 1)].contains { name, off in
      (given[name] ?? other.given[name]).map { $0 != .whole(off) } ?? false
    }
    if endsLocal || given[outer] == .whole(0), !hasOuter {
      for option in OptionDeclaration.ofOuterSteps { other.given[option.name] = nil }
    }
    if given.keys.contains(where: JobOptions.choosesData) { other.marks.dataDigest = nil }
    for (name, value) in given {
      if let excluded = try? JobOptions.declaration(name).excludes { other.given[excluded] = nil }
      other.given[name] = value
    }
  }

  /// Whether the fingerprint of the data may be another if the option `name` changes.
  private static func choosesData(_ name: String) -> Bool {
    // Those of a part or of a scale do not change it; classes or numbers as labels may.
    let others = ["scale", "test-fraction", "validation-fraction"]
    let isOfData = DataSources.selector.options.contains { $0.name == name } && !others.contains(name)
    return isOfData || [dataOption.name, modelOption.name, OptionDeclaration.loss.name].contains(name)
  }

  /// The first option besides the length that changes the result and differs from `other`.
  func firstDifference(from other: JobOptions) -> String? {
    JobOptions.declarations.first { option in
      option.decides && option.excludes == nil && given[option.name] != other.given[option.name]
    }?.name
  }
}

extension JobOptions.Marks {
  fileprivate mutating func set(_ name: String, to value: OptionValue) throws {
    func version(_ newest: Int, _ versions: ClosedRange<UInt64>) throws -> Int {
      guard case .whole(let version) = value, versions.contains(version) else {
        throw OptionError(
          "\(name) \(value.description): this program knows versions \(versions.lowerBound) to \(newest); a later one needs "
            + "a later version of the program")
      }
      return Int(version)
    }
    switch name {
    case Job.numericsKey: numerics = try version(Numerics.version, 1...UInt64(Numerics.version))
    case Job.recipeKey: recipe = try version(Recipe.version, 0...UInt64(Recipe.version))
    default:
      guard case .text(let digest) = value, digest.utf8.count == 64, digest.allSatisfy(\.isHexDigit) else {
        throw OptionError("\(name) \(value.description): 64 hexadecimal digits are needed")
      }
      dataDigest = digest
    }
  }
}

extension JobOptions {
  /// The given values of `options`.
  func givenValues(of options: [OptionDeclaration]) -> [String: OptionValue] {
    given.filter { name, _ in options.contains { $0.name == name } }
  }

  /// The given options of models.
  var modelOptions: [String: OptionValue] { givenValues(of: ModelKinds.registry.all.selector.options) }

  /// Nil for a new folder under `runs`.
  package var output: String? { given[JobOptions.outputOption.name]?.description }

  package var selection: DataSelection {
    var selection = DataSelection(
      given[JobOptions.dataOption.name]?.description ?? "digits", givenValues(of: DataSources.selector.options))
    // A job of an earlier version has a numerics version, or none of either.
    if marks.numerics != nil { selection.recipeVersion = marks.recipe ?? 0 }
    return selection
  }

  /// The seed, or its default.
  package var chosenSeed: UInt64 { if case .whole(let seed) = given["seed"] { seed } else { 0 } }

  /// Whether the given loss needs classes; nil if none is given.
  package var classifies: Bool? {
    given[OptionDeclaration.loss.name].flatMap { Losses.named($0.description) }.map { $0.classifies }
  }

  /// The micro-batches in a step, or their default.
  var chosenMicroBatches: Int {
    given["micro-batches"]?.number.map { Int($0) } ?? (selection.stepIsWhole ? 1 : 8)
  }

  /// Loads the data that the options name.
  package func load(evaluatesAll: Bool = false) throws -> LoadedData {
    let purpose = LoadedData.Purpose(
      classify: classifies, scalesLabels: scalesLabels, evaluatesAll: evaluatesAll)
    let data = try LoadedData(selection, for: purpose, seed: chosenSeed, microBatches: chosenMicroBatches)
    if let digest = marks.dataDigest, digest != data.fingerprint, !evaluatesAll {
      let digests = "(fingerprint \(data.fingerprint.prefix(12))…, and \(digest.prefix(12))… then)"
      if let resumed {
        throw DatasetError("\(selection.data) is not the data that the run in \(resumed) was trained on \(digests)")
      }
      throw DatasetError(
        "\(selection.data) is not the data that the job was written for \(digests): give --data \(selection.data) to train "
          + "on what it is now")
    }
    return data
  }

  /// Whether the model learns by a loss that allows labels to be divided by their deviation.
  private var scalesLabels: Bool {
    let kind = given[JobOptions.modelOption.name]?.description ?? "mlp"
    let options = ModelKinds.registry.all.first { $0.name == kind }?.alternative.options ?? []
    guard options.contains(where: { $0.name == OptionDeclaration.loss.name }) else { return false }
    let loss = given[OptionDeclaration.loss.name].flatMap { Losses.named($0.description) } ?? MeanSquaredError.self
    return loss.canDivideTargets
  }

  /// The options of a job with `optimizer`, one of several that share these options. It gets the options that it has
  /// (``OptimizerSettings/part(of:for:among:)``), and no batch size if its step is the whole training part.
  package func selecting(_ optimizer: String, among optimizers: [String]) -> JobOptions {
    var options = self
    options.given[JobOptions.optimizer.name] = .text(optimizer)
    guard optimizers.count > 1 else { return options }
    let own = givenValues(of: OptimizerSettings.options)
    let kept = OptimizerSettings.part(of: own, for: optimizer, among: optimizers)
    for name in own.keys where kept[name] == nil { options.given[name] = nil }
    if OptimizerSettings.stepIsWhole(optimizer) { options.given["batch-size"] = nil }
    return options
  }

  /// A sentence for each given option that some of `optimizers` do not have.
  package func notes(among optimizers: [String]) -> [String] {
    guard optimizers.count > 1 else { return [] }
    let batch = optimizers.filter { given["batch-size"] != nil && OptimizerSettings.stepIsWhole($0) }.map {
      "--batch-size goes to all but \($0), whose step is the whole training part"
    }
    return OptimizerSettings.notes(on: givenValues(of: OptimizerSettings.options), among: optimizers) + batch
  }

  /// Fills in the defaults and checks the options against the loaded data.
  package func resolve(_ loaded: LoadedData, models: [ModelFactory] = ModelKinds.registry.all) throws -> Job {
    let microBatches = chosenMicroBatches
    let count = loaded.train.count
    let optimizer = try chosenOptimizer
    let batchSize = given["batch-size"]?.number.map { Int($0) }
    let isWholeRule = OptimizerSettings.stepIsWhole(optimizer.name)
    if batchSize != nil, loaded.stepIsWhole {
      throw OptionError(
        "--batch-size does not go with --data \(loaded.selection.data): a step has as many examples as --micro-batches"
      )
    }
    if let batchSize, isWholeRule && batchSize != count {
      throw OptionError(
        "--batch-size \(batchSize) does not go with --optimizer \(optimizer.name): a step is the whole training part, "
          + "\(count) examples; leave it out, or take --optimizer sgd")
    }
    if let batchSize, batchSize > count {
      throw OptionError("--batch-size \(batchSize): the training part has \(count) examples; give at most \(count)")
    }
    let (model, modelOptions) = try resolveModel(loaded, models)
    let lossOptions = try resolveLoss(modelOptions[OptionDeclaration.loss.name]?.description, model, loaded)
    var data = loaded.selection
    let source = try data.source.type
    for option in source.options where data.options[option.name] == nil {
      data.options[option.name] = option.defaultValue
    }
    func whole(_ name: String) -> Int? { given[name]?.number.map { Int($0) } }
    var job = Job(
      data: data, model: model, modelOptions: OptionValues(modelOptions), lossOptions: OptionValues(lossOptions),
      optimizer: optimizer, batchSize: batchSize ?? (loaded.stepIsWhole || isWholeRule ? count : min(128, count)),
      microBatches: microBatches,
      length: whole("steps").map { .steps($0) } ?? .epochs(whole("epochs") ?? 10),
      evaluateEvery: whole("evaluate-every"), seed: chosenSeed,
      initial: given["initial"].map { URL(fileURLWithPath: $0.description).path },
      onNonFinite: chosenPolicy)
    job.precision = given["precision"].flatMap { Precision(rawValue: $0.description) } ?? .float32
    try job.checkReplicas()
    job.dataDigest = loaded.fingerprint
    return job
  }

  private func resolveModel(
    _ loaded: LoadedData, _ models: [ModelFactory]
  ) throws -> (kind: String, options: [String: OptionValue]) {
    let kind = given[JobOptions.modelOption.name]?.description ?? "mlp"
    guard let factory = models.first(where: { $0.name == kind }) else { throw models.unknown(kind) }
    let selector = ModelKinds.registry.all.selector
    for (name, value) in modelOptions.sorted(by: { $0.key < $1.key })
    where !factory.alternative.options.contains(where: { $0.name == name }) {
      // Job files of earlier versions give every model all options.
      let isUsual = selector.options.first { $0.name == name }?.defaultValue == value
      if !isUsual { throw selector.misplaced(name, with: kind) }
    }
    var options = try factory.alternative.values(given)
    if factory.alternative.options.contains(where: { $0.name == OptionDeclaration.loss.name }), options["loss"] == nil {
      options["loss"] = .text(Losses.usual(for: loaded.target).name)
    }
    return (kind, options)
  }

  /// The options of the loss `name`, nil for a model with a loss of its own.
  private func resolveLoss(_ name: String?, _ model: String, _ loaded: LoadedData) throws -> [String: OptionValue] {
    let selector = Losses.selector
    let given = givenValues(of: selector.options)
    guard let name, let alternative = selector.alternative(name), let loss = Losses.named(name) else {
      guard let option = given.keys.min() else { return [:] }
      throw OptionError("--\(option) does not go with --model \(model), which has a loss of its own")
    }
    for option in given.keys.sorted() where !alternative.options.contains(where: { $0.name == option }) {
      throw selector.misplaced(option, with: name)
    }
    try loss.check(loaded.train, of: loaded.selection.data)
    for part in [loaded.validation, loaded.test].compactMap(\.self) { try loss.check(part, of: loaded.selection.data) }
    var values = try alternative.values(given)
    if values["class-weights"] == .text("balanced") { values["class-weights"] = .text(balancedWeights(loaded)) }
    return values
  }

  /// What an example of each class counts so that all classes count alike, and all examples as many as they are. Classes
  /// without an example have 0.
  private func balancedWeights(_ loaded: LoadedData) -> String {
    var counts = [Int](repeating: 0, count: loaded.target.outputs / loaded.target.positions)
    for index in 0..<loaded.train.count { for label in loaded.train.labels(index) { counts[label] += 1 } }
    let all = Double(loaded.train.count * loaded.target.positions) / Double(counts.count)
    return counts.map { $0 > 0 ? "\(all / Double($0))" : "0" }.joined(separator: ",")
  }
}
