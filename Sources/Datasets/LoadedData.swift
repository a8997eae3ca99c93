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

    let cutsTest = test == nil && source.options.contains { $0.name == OptionDeclaration.testFraction.name }
    let validationFraction = values["validation-fraction"]?.number ?? 0
    if evaluatesAll {
      (self.train, validation, self.test) = (Examples(train), nil, Examples(test ?? train))
    } else if cutsTest || validationFraction > 0 {
      let testFraction = cutsTest ? values["test-fraction"]?.number ?? 0.2 : 0
      if cutsTest { absolute.options["test-fraction"] = .real(testFraction) }
      let cut = try PartCut(train.count, validation: validationFraction, test: testFraction, of: selection.data)
      let permutation = IndexPermutation(count: train.count, seed: seed, stream: Streams.split)
      func part(_ range: Range<Int>) -> Examples? {
        range.isEmpty ? nil : Examples(train, permutation: permutation, range: range)
      }
      self.train = part(cut.train)!
      validation = part(cut.validation)
      self.test = test.map { Examples($0) } ?? part(cut.test)
    } else {
      (self.train, validation, self.test) = (Examples(train), nil, test.map { Examples($0) })
    }
    self.selection = absolute
  }

  /// The places of the parts in a permutation of the examples.
  private struct PartCut {
    let train, validation, test: Range<Int>

    /// - Throws: ``DatasetError`` if the shares leave nothing to train on.
    init(_ count: Int, validation: Double, test: Double, of data: String) throws {
      let testCount = Int((Double(count) * test).rounded())
      let end = testCount + Int((Double(count) * validation).rounded())
      guard end < count else {
        let shares =
          validation > 0
          ? "a validation fraction of \(validation) and a test fraction of \(test) leave"
          : "a test fraction of \(test) leaves"
        throw DatasetError("\(data): \(shares) none of its \(count) examples to train on")
      }
      (self.train, self.validation, self.test) = (end..<count, testCount..<end, 0..<testCount)
    }
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
