internal import Foundation
internal import Schema

/// A CSV file of numbers, and optionally a second one as the test part.
enum CSVFile: DataSource {
  static let name = "csv"
  static let summary = "a CSV file"
  static let options: [OptionDeclaration] = [
    .text(
      "label", valueName: "columns", defaultText: "the last",
      "The label's column in a CSV file: a name, or a position from 1; several, separated by commas, for several outputs."
    ),
    .path("test", "A second CSV file that is the test part."), .testFraction, .validationFraction, .scale,
  ]

  static func reads(_ path: String) -> Bool { true }

  static func read(_ request: DataRequest) throws -> DataParts {
    let label = request.options.values["label"]?.description
    let train = try read(request.location, label)
    guard let path = request.options.values["test"]?.description else { return DataParts(train: train.part) }
    if request.options.values["test-fraction"] != nil {
      throw DatasetError("--test and --test-fraction exclude each other")
    }
    let test = try read(path, label)
    guard train.table.columns == test.table.columns, train.table.labelColumns == test.table.labelColumns else {
      func text(_ table: CSVTable) -> String {
        "\(table.columns) columns with the label in \(table.labelColumns.map(table.columnName).joined(separator: ", "))"
      }
      throw DatasetError("\(path) has \(text(test.table)), \(request.location) has \(text(train.table))")
    }
    if let trainNames = train.table.names, let testNames = test.table.names, trainNames != testNames {
      let column = zip(trainNames, testNames).enumerated().first { $0.element.0 != $0.element.1 }!.offset
      throw DatasetError(
        "\(path): column \(column + 1) is '\(testNames[column])', and '\(trainNames[column])' in \(request.location)")
    }
    return DataParts(train: train.part, test: test.part)
  }

  private static func read(_ path: String, _ label: String?) throws -> (part: DataTable, table: CSVTable) {
    var table = try CSVTable(label: label) { try ByteReader(path: path) }
    let columns = table.labelColumns.map(table.columnName)
    let part = DataTable(
      name: path, count: table.rows, features: .floats(table.features), shape: [table.columns - columns.count],
      targets: table.labels, targetCount: columns.count,
      place: { "\(path), record \($0 / columns.count + 1), column \(columns[$0 % columns.count])" })
    (table.features, table.labels) = ([], [])
    return (part, table)
  }
}
