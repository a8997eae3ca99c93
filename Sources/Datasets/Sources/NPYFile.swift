internal import Foundation
internal import Schema

/// A NumPy array of features, with the labels in one of its columns or in a second file.
enum NPYFile: DataSource {
  static let name = "npy"
  static let summary = "a NumPy array"
  static let options: [OptionDeclaration] = [.label, .testFraction, .validationFraction, .imageScale]

  static func reads(_ path: String) -> Bool {
    path.hasSuffix(".npy") || starts(path, with: [0x93] + Array("NUMPY".utf8))
  }

  /// A label that is no position of a column is a file's path.
  static func absolute(_ given: [String: OptionValue]) -> [String: OptionValue] {
    var absolute = given
    if let label = given["label"]?.description, Int(label) == nil {
      absolute["label"] = .text(URL(fileURLWithPath: label).path)
    }
    return absolute
  }

  static func read(_ request: DataRequest) throws -> DataParts {
    let features = try NPYArray(path: request.location)
    guard request.wantsLabels else { return DataParts(train: try DataTable(unlabelled: features)) }
    let label = request.options.values["label"]?.description
    if let label, label.contains(","), label.split(separator: ",").allSatisfy({ Int($0) != nil }) {
      throw DatasetError(
        "--label \(label): one column of an array can be the label; save several in an array of their own, as in "
          + "--label LABELS.npy")
    }
    guard let label, Int(label) == nil else {
      let missing = "--label LABELS.npy names the file of the labels"
      return DataParts(train: try DataTable(features, labelColumn: label.flatMap { Int($0) }, otherwise: missing))
    }
    return DataParts(train: try DataTable(features, labels: try NPYArray(path: label)))
  }
}

/// Whether the file at `path` starts with `bytes`.
func starts(_ path: String, with bytes: [UInt8]) -> Bool {
  guard let reader = try? ByteReader(path: path) else { return false }
  return (try? reader.bytes(bytes.count)) == bytes
}

extension DataTable {
  /// Examples whose labels are another array.
  init(_ features: NPYArray, labels: NPYArray) throws {
    try features.checkHasExamples()
    try labels.checkHasExamples()
    guard labels.shape[0] == features.shape[0] else {
      throw DatasetError(
        "\(features.name) has the shape \(features.shapeText), and \(labels.name) the shape \(labels.shapeText): their first "
          + "sizes, the numbers of examples, must be equal")
    }
    guard labels.shape.count <= 2 else {
      throw DatasetError(
        "\(labels.name) has the shape \(labels.shapeText), and labels have one of two: (examples,) or (examples, outputs)"
      )
    }
    let outputs = labels.shape.dropFirst().first ?? 1
    let name = labels.name
    self.init(
      name: "\(features.name)", count: features.shape[0], features: .stored(features.numbers()),
      shape: DataTable.exampleShape(features.shape), targets: labels.numbers().floats, targetCount: outputs,
      place: { "\(name), example \($0 / outputs + 1)" })
    try labels.checkUnchanged()
  }

  /// Examples whose labels are not known, with 0 in their place.
  init(unlabelled features: NPYArray) throws {
    try features.checkHasExamples()
    let (name, count) = ("\(features.name)", features.shape[0])
    self.init(
      name: name, count: count, features: .stored(features.numbers()), shape: DataTable.exampleShape(features.shape),
      targets: [Float](repeating: 0, count: count), place: { "\(name), example \($0 + 1)" })
  }

  /// Examples that are rows of a table with the label in one column.
  ///
  /// - Parameters:
  ///   - labelColumn: its position from 1; nil for the last.
  ///   - otherwise: what to do where the array is no such table.
  init(_ all: NPYArray, labelColumn: Int?, otherwise: String) throws {
    try all.checkHasExamples()
    guard all.shape.count == 2, all.shape[1] > 1 else {
      throw DatasetError(
        "\(all.name) has the shape \(all.shapeText), and only a table of two or more columns can hold the labels too: "
          + otherwise)
    }
    let columns = all.shape[1]
    let position = labelColumn ?? columns
    guard (1...columns).contains(position) else {
      throw DatasetError("--label \(position): the columns of \(all.name) are 1 to \(columns)")
    }
    let name = all.name
    self.init(
      name: "\(name)", count: all.shape[0], features: .stored(all.numbers(omitting: position - 1)),
      shape: [columns - 1],
      targets: all.column(position - 1), place: { "\(name), example \($0 + 1), column \(position)" })
  }

  /// Numbers are examples of one feature. Images without channels have one.
  private static func exampleShape(_ shape: [Int]) -> [Int] {
    switch shape.count {
    case 1: [1]
    case 3: [shape[1], shape[2], 1]
    default: Array(shape.dropFirst())
    }
  }
}
