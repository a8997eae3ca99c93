package import Datasets
internal import Files
internal import Foundation
internal import Protocol
internal import Schema

/// Writes predictions as CSV or as JSON Lines.
package struct PredictionFile: ~Copyable {
  package enum Format: String, CaseIterable, Sendable {
    case csv
    case jsonl

    /// The format that the name of the file at `path` says.
    ///
    /// - Throws: ``OptionError`` for another ending.
    package init(path: String) throws {
      switch FilePath(path).name.split(separator: ".", omittingEmptySubsequences: false).last {
      case "csv": self = .csv
      case "jsonl", "ndjson": self = .jsonl
      default:
        throw OptionError("--output \(path): end the name in .csv or .jsonl, or say --format csv or --format jsonl")
      }
    }
  }

  private let file: AtomicFile?
  /// The first line until it is written.
  private var header: [UInt8]
  private let lines: PredictionLines
  private let keep: [String]
  /// Records whose predictions were appended.
  private var written = 0

  /// - Parameters:
  ///   - path: nil for standard output.
  ///   - keep: columns of the table that are copied.
  /// - Throws: ``FileError`` if the file cannot be written, ``OptionError`` if two of its columns had one name.
  package init(_ path: String?, _ format: Format, _ predictor: Predictor, keep: [String]) throws {
    let lines = try PredictionLines(predictor, format, keep: keep)
    self.init(lines, keep, try PredictionFile.opened(path))
  }

  private init(_ lines: PredictionLines, _ keep: [String], _ file: consuming AtomicFile?) {
    (self.lines, self.keep, header) = (lines, keep, lines.header)
    self.file = file
  }

  private static func opened(_ path: String?) throws -> AtomicFile? {
    guard let path else { return nil }
    // Not only at the end, when the file is renamed.
    var isFolder: ObjCBool = false
    guard !FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) || !isFolder.boolValue else {
      throw FileError("cannot write \(path): it is a folder")
    }
    return try AtomicFile(path: path)
  }

  /// Appends the predictions of consecutive records.
  ///
  /// - Parameters:
  ///   - values: from ``Predictor/predictions(for:in:)``.
  ///   - table: the records, of which columns are kept.
  ///   - first: the record of the table with the first prediction.
  /// - Throws: ``TrainingError`` for a prediction that is not finite, ``FileError`` if they cannot be written.
  package mutating func append(_ values: [Float], _ table: Table?, from first: Int) throws {
    let width = lines.outputs
    if let place = values.firstIndex(where: { !$0.isFinite }) {
      let row = place / width
      let record = table.map { "\($0.name), \($0.place(first + row))" } ?? "example \(written + row + 1)"
      throw TrainingError(
        "\(record): the model predicts \(values[place]); the record or the parameters are out of range")
    }
    let cells = keep.compactMap { name in table?.kept.first { $0.name == name }?.cells }
    precondition(cells.count == keep.count, "\(keep) are kept of \(table?.name ?? "no table")")
    let rows = values.count / width
    let parts = max(1, min(64, rows / 256))
    var texts = [[UInt8]](repeating: [], count: parts)
    texts.withUnsafeMutableBufferPointer { texts in
      // Each iteration writes its own part.
      nonisolated(unsafe) let texts = texts
      let lines = lines
      DispatchQueue.concurrentPerform(iterations: parts) { part in
        texts[part] = lines.text(of: part * rows / parts..<(part + 1) * rows / parts, values, cells, from: first)
      }
    }
    try writeHeader()
    for text in texts { try write(text) }
    written += rows
  }

  /// Lets the file appear at its path.
  package consuming func finish() throws {
    try writeHeader()
    try file?.commit()
  }

  private mutating func writeHeader() throws {
    try write(header)
    header = []
  }

  private func write(_ text: [UInt8]) throws {
    try text.withUnsafeBytes { bytes in
      if file != nil {
        try file?.write(bytes)
      } else {
        do {
          try writeAll(bytes, to: STDOUT_FILENO, path: "to standard output")
        } catch  where errno == EPIPE {
          throw ReaderGone()
        }
      }
    }
  }
}

/// Whoever reads standard output, such as `head`, has read enough.
package struct ReaderGone: Error {}

/// The lines of predictions as text.
private struct PredictionLines: Sendable {
  let outputs: Int
  /// The first line of CSV.
  let header: [UInt8]
  private let format: PredictionFile.Format
  /// The classes as they stand in a line; nil for numbers.
  private let classes: [String]?
  /// `"name":` of the members of JSON: kept columns, and outputs.
  private let keptNames, outputNames: [String]

  /// - Throws: ``OptionError`` if two columns would have one name.
  init(_ predictor: Predictor, _ format: PredictionFile.Format, keep: [String]) throws {
    (outputs, self.format) = (predictor.outputs, format)
    let (classes, labels) = (predictor.classes, predictor.labelNames)
    let columns: [String]
    switch format {
    case .csv:
      columns =
        classes.map { ["prediction"] + $0.map { "probability_\($0)" } }
        ?? (labels.count == 1 ? ["prediction"] : labels.map { "prediction_\($0)" })
      self.classes = classes?.map(PredictionLines.quoted)
      (keptNames, outputNames) = ([], [])
    case .jsonl:
      columns = ["prediction"] + (classes == nil ? [] : ["probabilities"])
      self.classes = classes?.map(PredictionLines.string)
      keptNames = keep.map { PredictionLines.string($0) + ":" }
      outputNames = (classes ?? labels).map { PredictionLines.string($0) + ":" }
    }
    let names = keep + columns
    var met: Set<String> = []
    if let twice = names.first(where: { !met.insert($0).inserted }) {
      throw OptionError(
        "--keep: the predictions would have two columns '\(twice)'; leave it out, or rename it in the file")
    }
    header = format == .csv ? Array((names.map(PredictionLines.quoted).joined(separator: ",") + "\n").utf8) : []
  }

  func text(of rows: Range<Int>, _ values: [Float], _ kept: [Table.Cells], from first: Int) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(rows.count * (outputs + kept.count + 1) * 12)
    for row in rows {
      let numbers = values[row * outputs..<(row + 1) * outputs]
      switch format {
      case .csv: appendCSV(numbers, kept, first + row, to: &text)
      case .jsonl: appendJSON(numbers, kept, first + row, to: &text)
      }
      text.append(UInt8(ascii: "\n"))
    }
    return text
  }

  private func appendCSV(_ numbers: ArraySlice<Float>, _ kept: [Table.Cells], _ row: Int, to text: inout [UInt8]) {
    for cells in kept { text += (PredictionLines.quoted(cells.text(row) ?? "") + ",").utf8 }
    if let classes { text += "\(classes[likeliest(numbers)]),".utf8 }
    for number in numbers { text += "\(number),".utf8 }
    text.removeLast()
  }

  private func appendJSON(_ numbers: ArraySlice<Float>, _ kept: [Table.Cells], _ row: Int, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "{"))
    for (name, cells) in zip(keptNames, kept) {
      let cell = cells.text(row).map { PredictionLines.isNumber($0) ? $0 : PredictionLines.string($0) }
      text += "\(name)\(cell ?? "null"),".utf8
    }
    func members() {
      text.append(UInt8(ascii: "{"))
      for (name, number) in zip(outputNames, numbers) { text += "\(name)\(number),".utf8 }
      text[text.count - 1] = UInt8(ascii: "}")
    }
    text += "\"prediction\":".utf8
    if let classes {
      text += "\(classes[likeliest(numbers)]),\"probabilities\":".utf8
      members()
    } else if let number = numbers.first, numbers.count == 1 {
      text += "\(number)".utf8
    } else {
      members()
    }
    text.append(UInt8(ascii: "}"))
  }

  /// The first of the largest.
  private func likeliest(_ numbers: ArraySlice<Float>) -> Int {
    numbers.indices.reduce(numbers.startIndex) { numbers[$1] > numbers[$0] ? $1 : $0 } - numbers.startIndex
  }

  /// A string of JSON.
  private static func string(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    guard let data = try? encoder.encode(text) else { preconditionFailure("a text is no string of JSON") }
    return String(decoding: data, as: UTF8.self)
  }

  /// Whether `text` is a decimal number as JSON has it, which no reader rounds.
  private static func isNumber(_ text: String) -> Bool {
    let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
    guard text.utf8.count <= 16, text.utf8.count - digits.count <= 1 else { return false }
    let parts = digits.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0 &- 48 < 10 } }) else { return false }
    return parts[0].count == 1 || parts[0].first != UInt8(ascii: "0")
  }

  /// A cell as RFC 4180 has it.
  static func quoted(_ cell: String) -> String {
    let quote = UInt8(ascii: "\"")
    guard cell.utf8.contains(where: { [UInt8(ascii: ","), quote, 0x0A, 0x0D].contains($0) }) else { return cell }
    var text = [quote]
    for byte in cell.utf8 { text += byte == quote ? [quote, quote] : [byte] }
    return String(decoding: text + [quote], as: UTF8.self)
  }
}
