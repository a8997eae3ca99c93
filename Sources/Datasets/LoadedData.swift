internal import Kernels
package import Schema

/// A job's data: the training part, and the parts on which it is evaluated.
public struct LoadedData: Sendable {
  package let train: Examples
  /// The part that choices follow during training; nil if there is none.
  package internal(set) var validation: Examples?
  /// nil if there is no test part.
  package let test: Examples?
  /// The data options, with absolute paths and the fractions that were used.
  package let selection: DataSelection
  package let target: Target
  /// The shape of an example.
  package let shape: [Int]
  /// Whether every step must use all examples.
  package let stepIsWhole: Bool
  /// SHA-256 of all features and targets, or of a table's cells, in hex.
  package let fingerprint: String
  /// How the records of a table become numbers; nil for other data.
  package let recipe: Recipe?
  /// What was found in a table; nil for other data, and for a recipe that was not learned.
  package let report: TableReport?

  package var heldOut: [HeldOutPart: Examples] {
    [HeldOutPart.validation: validation, .test: test].compactMapValues(\.self)
  }

  /// The number of features per example.
  package var featureCount: Int { train.featureCount }

  /// What the data are loaded for.
  package struct Purpose: Sendable {
    /// True for classes, false for numbers, nil to infer it.
    package var classify: Bool?
    /// Whether the loss allows labels that are divided by their deviation.
    package var scalesLabels = false
    /// Whether all examples are the test part if the source has none.
    package var evaluatesAll = false
    /// Whether they are for a model that was trained, so that nothing is learned of them.
    package var isTrained = false
    /// Whether the labels matter.
    package var wantsLabels = true
    /// The recipe of the run or the model; nil to learn one from the training part.
    package var recipe: Recipe?

    package init(
      classify: Bool?, scalesLabels: Bool = false, evaluatesAll: Bool = false, isTrained: Bool = false,
      recipe: Recipe? = nil
    ) {
      (self.classify, self.scalesLabels) = (classify, scalesLabels)
      (self.evaluatesAll, self.isTrained, self.recipe) = (evaluatesAll, isTrained, recipe)
    }
  }

  /// Loads `selection`.
  ///
  /// - Parameters:
  ///   - seed: chooses the validation and the test examples if fractions are used.
  ///   - microBatches: the job's number per step.
  /// - Throws: ``DatasetError`` if something is missing, damaged or not what it was declared to be, ``OptionError`` for an
  ///   option that the source does not have.
  package init(
    _ selection: DataSelection, for purpose: Purpose, seed: UInt64, microBatches: Int = 8
  ) throws {
    let (source, location) = try selection.source
    // For a model of numbers, a table is one of numbers.
    let isFormer = selection.recipeVersion == 0 || (purpose.isTrained && purpose.recipe == nil)
    for name in selection.options.keys.sorted() where !source.options.contains(where: { $0.name == name }) {
      throw DataSources.selector.misplaced(name, with: location.isEmpty ? source.name : location)
    }
    let values = OptionValues(try Alternative(source.name, options: source.options).values(selection.options))
    var request = DataRequest(location: location, options: values, microBatches: microBatches)
    request.wantsLabels = purpose.wantsLabels
    request.format = try TableFormat(
      values, isFormer: isFormer, recipe: purpose.recipe)
    let canCut = source.options.contains { $0.name == OptionDeclaration.testFraction.name }
    var splitting = Splitting(values, canCut: canCut, seed: seed, evaluatesAll: purpose.evaluatesAll)
    splitting.isFormer = selection.recipeVersion == 0
    let parts = try source.read(request)
    let loaded: Loaded
    switch parts.content {
    case .records(let train, let test) where isFormer:
      let label = values.values["label"]?.description
      loaded = try Loaded(
        train.numbers(label: label), try test?.numbers(label: label), purpose, splitting, selection.data)
    case .examples where purpose.recipe != nil:
      throw DatasetError("\(selection.data) is no table, and the model was trained on one")
    case .records(let train, let test): loaded = try Loaded(train, test, purpose, splitting, values)
    case .examples(let train, let test): loaded = try Loaded(train, test, purpose, splitting, selection.data)
    }
    (train, validation, test) = (loaded.train, loaded.validation, loaded.test)
    (target, shape, fingerprint) = (loaded.target, loaded.shape, loaded.fingerprint)
    (recipe, report) = (loaded.recipe, loaded.report)
    stepIsWhole = source.stepIsWhole
    var absolute = selection.absolute(source, location)
    if loaded.isCut, canCut, !purpose.evaluatesAll {
      absolute.options["test-fraction"] = .real(
        loaded.test == nil && !splitting.isFormer ? 0 : splitting.testFraction)
    }
    self.selection = absolute
  }
}

/// The parts of the data, before the options are recorded.
struct Loaded {
  var train: Examples
  var validation: Examples?
  var test: Examples?
  var target: Target
  var shape: [Int]
  var fingerprint: String
  var recipe: Recipe?
  var report: TableReport?
  /// Whether the parts were cut from one.
  var isCut = false
}

extension Loaded {
  /// Examples that are numbers already.
  init(
    _ train: DataTable, _ test: DataTable?, _ purpose: LoadedData.Purpose, _ splitting: Splitting, _ name: String
  ) throws {
    try train.check()
    try test?.check()
    try splitting.check(hasTest: test != nil, name)
    func sizes(_ table: DataTable) -> String {
      "\(table.shape.reduce(1, *)) values and \(table.targetCount) targets an example"
    }
    if let test, sizes(test) != sizes(train) {
      throw DatasetError("\(test.name) has \(sizes(test)), \(train.name) has \(sizes(train))")
    }
    target = try train.target(classify: purpose.classify)
    shape = train.shape
    let target = target
    let all = try train.dataset(target)
    let testAll = try test.map { try $0.dataset(target) }
    fingerprint = Loaded.fingerprint([all] + (testAll.map { [$0] } ?? []))
    try train.features.checkUnchanged()
    try test?.features.checkUnchanged()
    if purpose.evaluatesAll, testAll == nil {
      (self.train, self.test) = (Examples(all), Examples(all))
      return
    }
    if let step = train.windowStep, let testAll {
      let overlap = (train.targetCount + step - 1) / step
      (self.train, validation) = try splitting.parts(ofWindows: all, overlap: overlap, name)
      self.test = Examples(testAll)
      return
    }
    var labels: (codes: [Int32], classes: Int)?
    if case .classes(let codes) = all.targets, case .classification(let classes) = target { labels = (codes, classes) }
    let parts = try splitting.parts(of: all, hasTest: testAll != nil, labels: labels, name)
    (self.train, validation, self.test) = (parts.train, parts.validation, testAll.map { Examples($0) } ?? parts.test)
    isCut = testAll == nil
  }

  /// Records of a table.
  init(
    _ train: Table, _ test: Table?, _ purpose: LoadedData.Purpose, _ splitting: Splitting, _ options: OptionValues
  ) throws {
    guard train.count > 0 else { throw DatasetError("\(train.name) has no records") }
    try splitting.check(hasTest: test != nil, train.name)
    var labels: TableLabels
    if let recipe = purpose.recipe {
      labels = try TableLabels(of: train, recipes: recipe.labels, target: recipe.target)
    } else {
      labels = try TableLabels(of: train, label: options.values["label"]?.description, classify: purpose.classify)
    }
    let rows = try splitting.rows(of: train, labels, hasTest: test != nil)
    var report: TableReport?
    let recipe: Recipe
    if let known = purpose.recipe {
      recipe = known
    } else {
      if purpose.scalesLabels { labels.scale(in: train, rows: rows.train) }
      let choices = try ColumnChoices.reading(options.values["columns"]?.description ?? "")
      let excluded = try splitting.excluded(train, labels)
      let isRobust = options.values["scale"]?.description == ScalingKind.robust.rawValue
      let decimal = options.values["decimal"]?.description ?? "."
      func learn(keepsIdentifiers: Bool) throws -> [ColumnFinding] {
        try Recipe.learn(
          from: train, rows: rows.train, excluding: excluded, choices, isRobust: isRobust,
          keepsIdentifiers: keepsIdentifiers, decimal: decimal.utf8.first!)
      }
      var findings = try learn(keepsIdentifiers: false)
      // The only column may well be a number that grows.
      if findings.allSatisfy({ $0.recipe == nil }) { findings = try learn(keepsIdentifiers: true) }
      recipe = Recipe(
        columns: findings.compactMap(\.recipe), labels: labels.recipes,
        decimal: decimal, unnamedColumns: train.hasNames ? nil : train.names.count,
        positionClasses: labels.positionClasses)
      guard !recipe.columns.isEmpty else {
        throw DatasetError(
          findings.isEmpty
            ? "\(train.name) has one column, the label: cells are separated by commas, semicolons, tabs or bars"
            : "\(train.name): no column is left to learn from: "
              + findings.prefix(10).map { "\($0.name) (\($0.reason))" }.joined(separator: ", ")
              + "; --columns \"NAME: KIND\" says what a column is")
      }
      report = TableReport(train, labels, findings)
    }
    func dataset(_ table: Table, _ labels: TableLabels) throws -> Dataset {
      var dataset = Dataset(
        count: table.count, features: .floats(try recipe.features(of: table)), shape: [recipe.features.count],
        targets: try labels.storage(of: table), targetCount: labels.columns.count)
      dataset.labelDeviation = recipe.labels[0].deviation
      return dataset
    }
    let all = try dataset(train, labels)
    self.train = Examples(all, rows: rows.train)
    validation = rows.validation.isEmpty ? nil : Examples(all, rows: rows.validation)
    self.test = rows.test.isEmpty ? nil : Examples(all, rows: rows.test)
    if purpose.evaluatesAll, test == nil { self.test = Examples(all, rows: labels.labelled) }
    if let test {
      let labels = try TableLabels(of: test, recipes: recipe.labels, target: labels.target)
      self.test = Examples(try dataset(test, labels), rows: labels.labelled)
    }
    (target, shape) = (labels.target, [recipe.features.count])
    var hash = SHA256()
    train.hash(into: &hash)
    test?.hash(into: &hash)
    fingerprint = hash.digest.hex
    (self.recipe, self.report, isCut) = (recipe, report, test == nil)
  }

  private static func fingerprint(_ datasets: [Dataset]) -> String {
    var hash = SHA256()
    for dataset in datasets {
      // Without features, rows do not differ and their number does not matter.
      let count = dataset.featureCount == 0 ? 0 : dataset.count
      hash.update("\(count) \(dataset.featureCount) \(dataset.targetCount) ")
      switch dataset.features {
      case .bytes(let bytes): bytes.withUnsafeBytes { hash.update($0) }
      case .floats(let floats): floats.withUnsafeBytes { hash.update($0) }
      case .stored(let numbers): numbers.hash(into: &hash)
      }
      switch dataset.targets {
      case .classes(let classes): classes.withUnsafeBytes { hash.update($0) }
      case .values(let values): values.withUnsafeBytes { hash.update($0) }
      case .nextBytes: hash.update("next bytes, every \(dataset.step ?? 0)")
      }
    }
    return hash.digest.hex
  }
}

extension Table {
  /// Adds names, kinds and cells of all columns.
  fileprivate func hash(into hash: inout SHA256) {
    hash.update("\(count) records of \(columns.count) columns;")
    for column in columns {
      hash.update("\(column.name.utf8.count) \(column.name) \(column.cells.kind);")
      switch column.cells {
      case .numbers(let all): all.withUnsafeBytes { hash.update($0) }
      case .instants(let all): all.withUnsafeBytes { hash.update($0) }
      case .levels(let codes, let levels):
        codes.withUnsafeBytes { hash.update($0) }
        for level in levels { hash.update("\(level.utf8.count) \(level);") }
      }
    }
  }
}
