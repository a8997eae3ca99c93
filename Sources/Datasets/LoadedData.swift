internal import Kernels
package import Schema

/// A job's data in memory: the training part, and the parts that are held out.
public struct LoadedData: Sendable {
  package let train: Examples
  /// nil if there is no validation part.
  package internal(set) var validation: Examples?
  /// nil if there is no test part.
  package let test: Examples?
  /// The data options, with absolute paths and the test fraction that was used.
  package let selection: DataSelection
  package let target: Target
  /// The shape of an example.
  package let shape: [Int]
  /// Whether every step must use all examples.
  package let stepIsWhole: Bool
  /// SHA-256 of all features and targets, in hex.
  package let fingerprint: String

  package var heldOut: [HeldOutPart: Examples] {
    [HeldOutPart.validation: validation, .test: test].compactMapValues(\.self)
  }

  /// The number of features per example.
  package var featureCount: Int { train.featureCount }

  /// Loads `selection`.
  ///
  /// - Parameters:
  ///   - classify: true for classes, false for numbers, nil to infer it: classes if the labels are exactly the whole
  ///     numbers from 0 to some k − 1.
  ///   - seed: chooses the test examples if a test fraction is used.
  ///   - microBatches: the job's number per step.
  ///   - evaluatesAll: whether all examples are the test part if the source has none.
  /// - Throws: ``DatasetError`` if something is missing, damaged or not a number, ``OptionError`` for an option that
  ///   the source does not have.
  package init(
    _ selection: DataSelection, classify: Bool?, seed: UInt64, microBatches: Int = 8, evaluatesAll: Bool = false
  ) throws {
    let (source, location) = try selection.source
    for name in selection.options.keys.sorted() where !source.options.contains(where: { $0.name == name }) {
      throw DataSources.selector.misplaced(name, with: location.isEmpty ? source.name : location)
    }
    let values = try Alternative(source.name, options: source.options).values(selection.options)
    let parts = try source.read(
      DataRequest(location: location, options: OptionValues(values), microBatches: microBatches))
    try parts.train.check()
    try parts.test?.check()
    if parts.test != nil, values["test-fraction"] != nil {
      throw DatasetError("--test-fraction does not go with \(selection.data), which has a test part of its own")
    }
    func sizes(_ table: DataTable) -> String {
      "\(table.shape.reduce(1, *)) values and \(table.targetCount) targets an example"
    }
    if let test = parts.test, sizes(test) != sizes(parts.train) {
      throw DatasetError("\(test.name) has \(sizes(test)), \(parts.train.name) has \(sizes(parts.train))")
    }
    let target = try parts.train.target(classify: classify)
    self.target = target
    shape = parts.train.shape
    stepIsWhole = source.stepIsWhole
    let train = try parts.train.dataset(target)
    let test = try parts.test.map { try $0.dataset(target) }
    fingerprint = Self.fingerprint([train] + (test.map { [$0] } ?? []))
    var absolute = selection.absolute(source, location)

    if let test {
      self.train = Examples(train)
      self.test = Examples(test)
    } else if evaluatesAll {
      self.train = Examples(train)
      self.test = Examples(train)
    } else if source.options.contains(where: { $0.name == OptionDeclaration.testFraction.name }) {
      let fraction = values["test-fraction"]?.number ?? 0.2
      absolute.options["test-fraction"] = .real(fraction)
      let testCount = Int((Double(train.count) * fraction).rounded())
      guard testCount < train.count else {
        throw DatasetError(
          "\(selection.data): a test fraction of \(fraction) leaves none of its \(train.count) examples to train on")
      }
      let permutation = IndexPermutation(count: train.count, seed: seed, stream: Streams.split)
      self.train = Examples(train, permutation: permutation, range: testCount..<train.count)
      self.test = testCount > 0 ? Examples(train, permutation: permutation, range: 0..<testCount) : nil
    } else {
      self.train = Examples(train)
      self.test = nil
    }
    self.selection = absolute
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
