internal import Foundation

/// A table of numbers separated by commas, semicolons or tabs: a record per line, with or without a line of column
/// names.
///
/// The input is read twice: once to count the records, once to parse them into memory of exactly their size.
struct CSVTable {
  /// The column names; nil if the first line has none.
  var names: [String]? {
    header.map { header in
      var names: [String] = []
      header.withUnsafeBufferPointer { line in
        _ = Self.forEachCell(line, separator) { names.append(Self.text($1)) }
      }
      return names
    }
  }
  /// The line with the column names.
  private var header: [UInt8]?
  private var separator = UInt8(ascii: ",")
  var rows = 0
  /// The label columns' values: records × label columns, in the order of ``labelColumns``.
  var labels: [Float] = []
  /// All other columns' values: records × columns.
  var features: [Float] = []
  /// Indices of the label columns, from 0, in the order in which they were named.
  var labelColumns: [Int] = []
  var columns = 0
  /// The number of the first line that is not blank, from 1.
  private var firstLine = 1

  /// Calls `open` twice, each time for a new reader of the same bytes.
  ///
  /// - Parameter label: columns' names, or positions from 1, separated by commas; nil for the last column.
  init(label: String?, _ open: () throws -> ByteReader) throws {
    var bytes = 0
    let name = try Self.forEachLine(try open()) { line, number in
      if columns == 0 {
        separator = Self.separator(of: line)
        var numbers = 0
        columns = Self.forEachCell(line, separator) { _, cell in
          let isNumber =
            Self.smallInteger(cell) != nil || cell.count <= Self.longestNumber && Float(Self.text(cell)) != nil
          if isNumber { numbers += 1 }
        }
        // If at least half of its cells are numbers, the line is a record, in which any other cell is an error.
        if numbers * 2 < columns { header = Array(line) }
        firstLine = number
      }
      rows += 1
      bytes += line.count + 1
    }
    if header != nil { rows -= 1 }
    guard rows > 0 else { throw DatasetError("\(name) has no records") }
    guard columns > 1 else { throw DatasetError("\(name) has one column; a label and at least one feature are needed") }
    labelColumns = try columns(label, in: name)
    guard labelColumns.count < columns else {
      throw DatasetError("\(name): all its \(columns) columns are labels; at least one feature is needed")
    }
    labels.reserveCapacity(min(rows * labelColumns.count, bytes / 2 + rows))
    // A cell takes at least two bytes. This limits the memory for a file with one long line and many short ones.
    features.reserveCapacity(min(rows * (columns - labelColumns.count), bytes / 2 - rows))
    try Self.forEachLine(try open()) { line, number in
      if header != nil && number == firstLine { return }
      try parse(line, file: name, line: number)
    }
  }

  private mutating func parse(_ line: UnsafeBufferPointer<UInt8>, file: String, line number: Int) throws {
    let firstLabel = labels.count
    labels.append(contentsOf: repeatElement(0, count: labelColumns.count))
    let count = try Self.forEachCell(line, separator) { column, cell in
      guard column < columns else { return }
      let value = try Self.number(cell) { text, problem in
        DatasetError("\(file), line \(number), column \(columnName(column)): '\(text)' \(problem)")
      }
      if let label = labelColumns.firstIndex(of: column) {
        labels[firstLabel + label] = value
      } else {
        features.append(value)
      }
    }
    guard count == columns else {
      throw DatasetError("\(file), line \(number): \(count) columns, where the first line has \(columns)")
    }
  }

  /// "3 (bmi)", or "3" without names.
  func columnName(_ column: Int) -> String {
    guard let header else { return "\(column + 1)" }
    var name = ""
    header.withUnsafeBufferPointer { line in
      _ = Self.forEachCell(line, separator) { if $0 == column { name = Self.shown($1) } }
    }
    return "\(column + 1) (\(name))"
  }

  private func columns(_ label: String?, in file: String) throws -> [Int] {
    guard let label else { return [columns - 1] }
    // A name may contain a comma.
    if let index = names?.firstIndex(of: label) { return [index] }
    let found = try label.split(separator: ",", omittingEmptySubsequences: false).map {
      try column($0.trimmingCharacters(in: .whitespaces), in: file)
    }
    if let twice = found.enumerated().first(where: { found[..<$0.offset].contains($0.element) }) {
      throw DatasetError("--label \(label): column \(columnName(twice.element)) is given twice")
    }
    return found
  }

  private func column(_ label: String, in file: String) throws -> Int {
    let names = names
    if let index = names?.firstIndex(of: label) { return index }
    if let position = Int(label), position >= 1, position <= columns { return position - 1 }
    let known =
      names.map { "its columns are \($0.joined(separator: ", "))" }
      ?? "it has no column names; give a position from 1 to \(columns)"
    throw DatasetError("\(file) has no column '\(label)': \(known)")
  }

  private static func number(
    _ cell: UnsafeBufferPointer<UInt8>.SubSequence, _ failure: (String, String) -> DatasetError
  ) throws -> Float {
    if let small = smallInteger(cell) { return small }
    guard cell.count <= longestNumber else { throw failure(shown(cell), "is too long for a number") }
    // Plain decimals are parsed directly, which is faster.
    let value = cell.allSatisfy(isDecimal) ? Float(Substring(decoding: cell, as: UTF8.self)) : Float(cleaned(cell))
    guard let value else {
      let text = shown(cell)
      throw failure(text, text.isEmpty ? "where a number should be" : "is not a number")
    }
    guard value.isFinite else { throw failure(shown(cell), "is not finite; clean the data first") }
    return value
  }

  /// In bytes.
  private static let longestNumber = 1000

  private static func isDecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"),
      UInt8(ascii: "e"), UInt8(ascii: "E"):
      true
    default: false
    }
  }

  /// The text of a number, empty if it contains a zero byte: Float ignores what follows one.
  private static func cleaned(_ cell: UnsafeBufferPointer<UInt8>.SubSequence) -> String {
    cell.contains(0) ? "" : text(cell)
  }

  /// A fast path for one to seven digits, which float32 holds exactly.
  private static func smallInteger(_ cell: UnsafeBufferPointer<UInt8>.SubSequence) -> Float? {
    guard cell.count >= 1 && cell.count <= 7 else { return nil }
    var value: Int32 = 0
    for byte in cell {
      guard byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int32(byte - UInt8(ascii: "0"))
    }
    return Float(value)
  }

  /// The cell without surrounding blanks and quotes.
  private static func text(_ cell: UnsafeBufferPointer<UInt8>.SubSequence) -> String {
    var text = String(decoding: cell, as: UTF8.self).trimmingCharacters(in: .whitespaces)
    guard cell.contains(UInt8(ascii: "\"")) else { return text }
    if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { text = String(text.dropFirst().dropLast()) }
    return text.replacingOccurrences(of: "\"\"", with: "\"")
  }

  /// The cell as errors quote it, with a limited length.
  private static func shown(_ cell: UnsafeBufferPointer<UInt8>.SubSequence) -> String {
    cell.count <= longestNumber ? text(cell) : text(cell.prefix(40)) + "…"
  }

  private static func separator(of line: UnsafeBufferPointer<UInt8>) -> UInt8 {
    let candidates = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
    return candidates.first { line.contains($0) } ?? candidates[0]
  }

  /// Calls `body` with each cell of the line and its column. Separators inside quotes are part of a cell. A list of the
  /// cells would take many times the line's memory.
  ///
  /// - Returns: the number of cells.
  private static func forEachCell(
    _ line: UnsafeBufferPointer<UInt8>, _ separator: UInt8,
    _ body: (Int, UnsafeBufferPointer<UInt8>.SubSequence) throws -> Void
  ) rethrows -> Int {
    var column = 0
    var start = 0
    var quoted = false
    for index in line.indices {
      if line[index] == UInt8(ascii: "\"") { quoted.toggle() }
      if line[index] == separator && !quoted {
        try body(column, line[start..<index])
        column += 1
        start = index + 1
      }
    }
    try body(column, line[start...])
    return column + 1
  }

  /// Calls `body` with each line that is not blank, and its number from 1.
  ///
  /// - Returns: the reader's name, for errors.
  @discardableResult
  private static func forEachLine(
    _ reader: ByteReader, _ body: (UnsafeBufferPointer<UInt8>, Int) throws -> Void
  ) throws -> String {
    let longestLine = 1 << 26
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var filled = 0
    var number = 0
    var atEnd = false
    func emit(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) throws {
      number += 1
      var range = range
      // Removes a byte-order mark, and the carriage return of a Windows line end.
      if number == 1, range.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
        range = 3..<range.upperBound
      }
      if !range.isEmpty && bytes[range.upperBound - 1] == 0x0D { range = range.lowerBound..<range.upperBound - 1 }
      let line = UnsafeBufferPointer(rebasing: bytes[range])
      if line.contains(where: { $0 != 0x20 && $0 != 0x09 }) { try body(line, number) }
    }
    while !atEnd {
      if filled == buffer.count {
        guard buffer.count < longestLine else {
          throw DatasetError(
            "\(reader.name), line \(number + 1) is longer than \(longestLine) bytes: is this a CSV file?")
        }
        buffer.append(contentsOf: repeatElement(0, count: buffer.count))
      }
      let read = try buffer.withUnsafeMutableBytes {
        try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
      }
      filled += read
      atEnd = read == 0
      let consumed = try buffer.withUnsafeBufferPointer { bytes -> Int in
        var start = 0
        while start < filled,
          let end = (memchr(bytes.baseAddress! + start, 0x0A, filled - start)).map({
            UnsafeRawPointer($0) - UnsafeRawPointer(bytes.baseAddress!)
          })
        {
          try emit(bytes, start..<end)
          start = end + 1
        }
        if atEnd && start < filled {
          try emit(bytes, start..<filled)
          start = filled
        }
        return start
      }
      buffer.replaceSubrange(0..<filled - consumed, with: Array(buffer[consumed..<filled]))
      filled -= consumed
    }
    return reader.name
  }
}
