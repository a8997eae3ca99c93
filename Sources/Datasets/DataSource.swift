internal import Crypto
internal import Foundation

/// Where data comes from and how it is split: what the data options of a job say.
package struct DataSource: Codable, Equatable, Sendable {
  /// `digits`, `fashion-mnist`, `none` for a model without data, or the path of a CSV file or of a folder of IDX files.
  package var data: String
  /// The label's column in a CSV file: a name, or a position from 1; nil for the last.
  package var label: String?
  /// A second CSV file that is the test part.
  package var test: String?
  /// The share of the examples that becomes the test part, where the data does not bring one.
  package var testFraction: Double?

  /// Whether there is no data. Each micro-batch then counts as one example.
  package var isNone: Bool { data == "none" }

  /// The names that stand for data rather than for a path.
  package static let builtIn = ["digits", "fashion-mnist"]

  /// A source; see the properties.
  package init(data: String, label: String? = nil, test: String? = nil, testFraction: Double? = nil) {
    self.data = data
    self.label = label
    self.test = test
    self.testFraction = testFraction
  }
}

/// Loaded data: its two parts, and what they have in common.
package struct LoadedData: Sendable {
  /// What is learned from; empty without data.
  package let train: Examples
  /// What is only tested on; nil for none.
  package let test: Examples?
  /// Where it came from, with absolute paths and the test fraction that was used.
  package let source: DataSource
  /// What is to be predicted.
  package let target: Target
  /// SHA-256 of everything that was loaded, in hex: equal where the data is.
  package let fingerprint: String

  /// How many numbers describe an example.
  package var featureCount: Int { train.featureCount }

  /// Loads `source`.
  ///
  /// - Parameters:
  ///   - classify: true for classes, false for numbers, nil to tell by the labels: classes where they are exactly
  ///     the whole numbers from 0 to some k − 1, each at least once.
  ///   - seed: cuts the test part where `testFraction` asks for one.
  ///   - evaluatesAll: data that brings no test part becomes one as a whole.
  /// - Throws: ``DatasetError`` where something is missing, damaged or not a number.
  package init(_ source: DataSource, classify: Bool?, seed: UInt64, evaluatesAll: Bool = false) throws {
    var source = source
    guard !source.isNone else {
      try source.refuseCSVOptions("--data none, which has no examples")
      (train, test, target) = (Examples(.none), nil, .nothing)
      self.source = source
      fingerprint = Self.fingerprint([.none])
      return
    }
    let parts: (train: RawPart, test: RawPart?)
    switch source.data {
    case "digits":
      try source.refuseCSVOptions("digits, which are classes with a test part of their own")
      parts = try RawPart.digits()
    case "fashion-mnist":
      try source.refuseCSVOptions("fashion-mnist, which has labels and a test part of its own")
      parts = try RawPart.fashionMNIST()
    default:
      parts = try RawPart.load(source)
      source.data = URL(fileURLWithPath: source.data).path
      source.test = source.test.map { URL(fileURLWithPath: $0).path }
    }
    let classes = try parts.train.decideClasses(classify, with: parts.test)
    target = classes.map { .classification(classes: $0) } ?? .regression(outputs: 1)
    let train = try parts.train.dataset(classes: classes)
    let test = try parts.test.map { try $0.dataset(classes: classes) }
    fingerprint = Self.fingerprint([train] + (test.map { [$0] } ?? []))

    if let test {
      self.train = Examples(train)
      self.test = Examples(test)
    } else if evaluatesAll {
      self.train = Examples(train)
      self.test = Examples(train)
    } else {
      let fraction = source.testFraction ?? 0.2
      source.testFraction = fraction
      guard fraction >= 0 && fraction < 1 else {
        throw DatasetError("a test fraction of \(fraction); it is at least 0 and below 1")
      }
      let testCount = Int((Double(train.count) * fraction).rounded())
      guard testCount < train.count else {
        throw DatasetError(
          "\(source.data): a test fraction of \(fraction) leaves none of its \(train.count) examples to train on")
      }
      let permutation = IndexPermutation(count: train.count, seed: seed, stream: Streams.split)
      self.train = Examples(train, permutation: permutation, range: testCount..<train.count)
      self.test = testCount > 0 ? Examples(train, permutation: permutation, range: 0..<testCount) : nil
    }
    self.source = source
  }

  private static func fingerprint(_ datasets: [Dataset]) -> String {
    var hash = SHA256()
    for dataset in datasets {
      hash.update(data: Data("\(dataset.count) \(dataset.featureCount) \(dataset.outputs) ".utf8))
      switch dataset.features {
      case .bytes(let bytes): bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
      case .floats(let floats): floats.withUnsafeBytes { hash.update(bufferPointer: $0) }
      }
      switch dataset.targets {
      case .classes(let classes): classes.withUnsafeBytes { hash.update(bufferPointer: $0) }
      case .values(let values): values.withUnsafeBytes { hash.update(bufferPointer: $0) }
      case .nothing: break
      }
    }
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
  }
}

extension DataSource {
  func refuseCSVOptions(_ what: String) throws {
    for (option, isGiven) in [
      ("label", label != nil), ("test", test != nil), ("test-fraction", testFraction != nil),
    ] where isGiven {
      throw DatasetError("--\(option) does not go with \(what)")
    }
  }
}
