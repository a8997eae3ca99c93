internal import Foundation
internal import Schema

/// Records in a text file, and optionally a second file that is the test part.
enum CSVFile: DataSource {
  static let name = "csv"
  static let summary = "a CSV or TSV file"
  static let options = OptionDeclaration.ofTables + [.decimal]

  static func reads(_ path: String) -> Bool { true }

  static func read(_ request: DataRequest) throws -> DataParts {
    try DataParts(request) { path, format in try readDelimited(format) { try ByteReader(path: path) } }
  }
}

/// A JSON object a line, and optionally a second file that is the test part.
enum JSONLinesFile: DataSource {
  static let name = "jsonl"
  static let summary = "a file of JSON Lines"
  static let options = OptionDeclaration.ofTables

  static func reads(_ path: String) -> Bool {
    let plain = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
    return [".jsonl", ".ndjson"].contains { plain.hasSuffix($0) }
  }

  static func read(_ request: DataRequest) throws -> DataParts {
    try DataParts(request) { path, format in try readJSONLines(format) { try ByteReader(path: path) } }
  }
}

extension DataParts {
  /// Reads a table, and the file of `--test` with the same types.
  fileprivate init(_ request: DataRequest, _ read: (String, TableFormat) throws -> Table) throws {
    let train = try read(request.location, request.format)
    guard let path = request.options.values["test"]?.description else {
      self.init(train: train, test: nil)
      return
    }
    if request.options.values["test-fraction"] != nil {
      throw DatasetError("--test and --test-fraction exclude each other")
    }
    var format = request.format
    if !format.isFormer {
      format.reason = ", and \(request.location) has them there"
      format.typesAreOptional = true
      format.infersDayFirst = false
      if train.hasNames { format.namesIfNone = train.names }
      let names = Set(train.columns.map(\.name))
      format.ignored = Set(train.names.filter { !names.contains($0) })
      format.types = Dictionary(train.columns.map { ($0.name, $0.cells.type) }) { first, _ in first }
      format.isDayFirst = Dictionary(train.columns.compactMap { column in column.isDayFirst.map { (column.name, $0) } })
      {
        first, _ in first
      }
    }
    var test = try read(path, format)
    let (names, others) = (train.columns.map(\.name), test.columns.map(\.name))
    let haveNames = train.hasNames && test.hasNames
    if format.isFormer || !haveNames {
      guard names.count == others.count else {
        throw DatasetError("\(path) has \(others.count) columns, \(request.location) has \(names.count) columns")
      }
      if haveNames, let place = names.indices.first(where: { names[$0] != others[$0] }) {
        throw DatasetError(
          "\(path): column \(place + 1) is '\(others[place])', and '\(names[place])' in \(request.location)")
      }
      for index in names.indices { test.columns[index].name = names[index] }
      test.fileNames = train.fileNames
    }
    self.init(train: train, test: test)
  }
}

extension OptionDeclaration {
  /// The options of sources of tables.
  fileprivate static let ofTables: [OptionDeclaration] = [
    .label,
    .text(
      "columns", valueName: "choices", defaultText: "by the cells",
      "What columns are, as in \"zip: category, id: ignore\": number, log1p, quantile, category, date or ignore; or a file "
        + "of such lines."),
    .path("test", "A second file that is the test part."), .testFraction, .validationFraction,
    .text(
      "group-by", valueName: "column", defaultText: "none",
      "Records with equal cells in this column stay in one part; it is no feature."),
    .text(
      "time", valueName: "column", defaultText: "none",
      "The latest records by this column of dates or numbers are the test part, those before them the validation part."),
    .tableScale,
  ]

  fileprivate static let decimal = OptionDeclaration.choice(
    "decimal", [".", ","], valueName: "character", defaultText: "a point",
    "The decimal separator of a CSV file's numbers: . or ,")
}
