internal import Foundation
public import Schema

/// A source of examples: a file format, or data of a program's own.
public protocol DataSource: Sendable {
  /// Its name in `--data NAME` and `--data NAME:PATH`.
  static var name: String { get }
  /// A phrase for the help, such as `a CSV file`.
  static var summary: String { get }
  /// Its options, such as ``OptionDeclaration/testFraction`` and ``OptionDeclaration/scale``.
  static var options: [OptionDeclaration] { get }
  /// Whether it can read the file or folder at `path`, so that users may omit its name. The default is false.
  static func reads(_ path: String) -> Bool
  /// Whether every step must use all examples. The default is false.
  static var stepIsWhole: Bool { get }
  /// The absolute form of a location, which is valid in other working folders. The default takes it for a path.
  static func absolute(_ location: String) -> String
  /// The given options with absolute paths. The default takes the options of the kind `path` for paths.
  static func absolute(_ given: [String: OptionValue]) -> [String: OptionValue]

  /// Reads the examples. The same request and files must give the same examples.
  ///
  /// - Throws: ``DatasetError`` if something is missing, damaged or not a number.
  static func read(_ request: DataRequest) throws -> DataParts
}

extension DataSource {
  /// Default: users must give the source's name.
  public static func reads(_ path: String) -> Bool { false }
  /// Default: a step may use any number of examples.
  public static var stepIsWhole: Bool { false }
  /// Default: the absolute path.
  public static func absolute(_ location: String) -> String { URL(fileURLWithPath: location).path }
  /// Default: absolute paths of the options of the kind `path`.
  public static func absolute(_ given: [String: OptionValue]) -> [String: OptionValue] {
    var absolute = given
    for option in options where option.kind == .path {
      if case .text(let path) = given[option.name] { absolute[option.name] = .text(URL(fileURLWithPath: path).path) }
    }
    return absolute
  }
}

/// What a source should read.
public struct DataRequest: Sendable {
  /// The path, or the text after `NAME:`; empty if there was none.
  public var location: String
  /// The values of the source's options.
  public var options: OptionValues
  /// The job's micro-batches per step.
  public var microBatches: Int
  /// Whether examples have labels. Arrays may lack them if not.
  package var wantsLabels = true
  /// How tables are read.
  package var format = TableFormat()
}

/// What a source has read.
public struct DataParts: Sendable {
  enum Content: Sendable {
    case examples(train: DataTable, test: DataTable?)
    case records(train: Table, test: Table?)
  }

  let content: Content

  /// Examples that are numbers.
  ///
  /// - Parameters:
  ///   - train: the training examples.
  ///   - test: the test examples; nil if the source has none.
  public init(train: DataTable, test: DataTable? = nil) { content = .examples(train: train, test: test) }

  /// Records that a recipe makes numbers of.
  init(train: Table, test: Table?) { content = .records(train: train, test: test) }
}

package enum DataSources {
  /// The built-in sources, and those that the program has added.
  package static let registry = Registry<any DataSource.Type>(
    [
      CSVFile.self, JSONLinesFile.self, IDXFolder.self, NPYFile.self, NPZFile.self, Digits.self,
      FashionMNIST.self, TextFile.self, NoData.self,
    ]) { $0.name }

  /// The values of `--data`, with their options.
  package static var selector: OptionSelector {
    OptionSelector("data", registry.all.map { Alternative($0.name, options: $0.options) })
  }
}

extension OptionDeclaration {
  /// The option `--label`, for tables and arrays whose source does not say what to predict.
  public static let label = OptionDeclaration.text(
    "label", valueName: "columns", defaultText: "the last column, or an archive's array of a usual name",
    "The label's column in a table: a name, or a position from 1; several, separated by commas, for several outputs. "
      + "For NumPy arrays: a column's position, a second .npy file, or an array of the archive.")

  /// The option `--test-fraction`, for sources without a test part.
  public static let testFraction = OptionDeclaration.real(
    "test-fraction", .fraction, valueName: "share", defaultText: "0.2, where the data brings no test part",
    "The share of the examples that becomes the test part, cut by the seed, of each class alike; 0 for none.")

  /// The option `--validation-fraction`.
  public static let validationFraction = OptionDeclaration.real(
    "validation-fraction", .fraction, valueName: "share", defaultText: "0",
    "The share of the examples that becomes the validation part, cut by the seed: the plateau schedule, the best checkpoint and "
      + "comparisons follow it, and the test part is evaluated once, at the end.")

  /// The option `--scale`, for sources with features.
  public static let scale = scale(.standard, [.none, .unit, .standard])
  /// The option `--scale`, for sources of images, height × width × channels.
  public static let imageScale = scale(.channel, [.none, .unit, .standard, .channel])

  /// The option `--scale`, for tables.
  static let tableScale = scale(.standard, [.none, .unit, .standard, .robust])

  private static func scale(_ usual: ScalingKind, _ kinds: [ScalingKind]) -> OptionDeclaration {
    .choice(
      "scale", default: usual.rawValue, kinds.map(\.rawValue), valueName: "kind",
      "How features are scaled: none, unit, standard (each column), for tables robust (by median and quartiles, within ±3), "
        + "or for images channel (each channel).")
  }
}
