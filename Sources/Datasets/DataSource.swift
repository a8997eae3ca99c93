public import Schema

/// What examples are read from: a file format, or data of a program's own.
public protocol DataSource: Sendable {
  /// What `--data NAME` or `--data NAME:PATH` calls it.
  static var name: String { get }
  /// What the help says it is, such as `a CSV file`.
  static var summary: String { get }
  /// Its options, such as ``OptionDeclaration/testFraction`` and ``OptionDeclaration/scale``.
  static var options: [OptionDeclaration] { get }
  /// Whether it reads what is at `path`, so that its name need not be given. The default is no.
  static func reads(_ path: String) -> Bool
  /// Whether every step takes all examples. The default is no.
  static var stepIsWhole: Bool { get }

  /// Reads the examples: always the same for the same request and files.
  ///
  /// - Throws: ``DatasetError`` where something is missing, damaged or not a number.
  static func read(_ request: DataRequest) throws -> DataParts
}

extension DataSource {
  /// No.
  public static func reads(_ path: String) -> Bool { false }
  /// No.
  public static var stepIsWhole: Bool { false }
}

/// What a source is to read.
public struct DataRequest: Sendable {
  /// The path, or what else stood behind the source's name; empty where nothing did.
  public var location: String
  /// The values of the source's options.
  public var options: OptionValues
  /// The job's micro-batches a step.
  public var microBatches: Int
}

/// What a source has read.
public struct DataParts: Sendable {
  /// What is learned from.
  public var train: DataTable
  /// What is only tested on; nil where the source has no such part.
  public var test: DataTable?

  /// Parts of a dataset.
  public init(train: DataTable, test: DataTable? = nil) { (self.train, self.test) = (train, test) }
}

/// The sources that this program knows.
package enum DataSources {
  /// Those that come with the trainer, and those that a program has added.
  package static let registry = Registry<any DataSource.Type>(
    [CSVFile.self, IDXFolder.self, Digits.self, FashionMNIST.self, NoData.self]) { $0.name }

  /// What `--data` can name.
  package static var selector: OptionSelector {
    OptionSelector("data", registry.all.map { Alternative($0.name, options: $0.options) })
  }
}

extension OptionDeclaration {
  /// `--test-fraction`, for data that bring no test part.
  public static let testFraction = OptionDeclaration.real(
    "test-fraction", .fraction, valueName: "share", defaultText: "0.2, where the data brings no test part",
    "The share of the examples that becomes the test part, cut by the seed; 0 for none.")

  /// `--scale`, for data with features.
  public static let scale = OptionDeclaration.choice(
    "scale", default: ScalingKind.standard.rawValue, ScalingKind.allCases.map(\.rawValue), valueName: "kind",
    "How features are scaled: none, unit or standard.")
}
