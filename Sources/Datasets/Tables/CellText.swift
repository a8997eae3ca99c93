/// Reads numbers from the bytes of a cell.
struct CellText: Sendable {
  /// What a cell is.
  enum Reading: Equatable {
    case number(Float)
    case missing
    /// Neither a number nor missing.
    case text
    /// Infinite, or too large for float32.
    case notFinite
    /// Longer than any number.
    case tooLong
  }

  /// The decimal separator.
  let decimal: UInt8

  /// In bytes.
  static let longestNumber = 1000

  /// Cells that stand for a missing value, as numbers of their bytes.
  private static let missing: [UInt64] = [
    "NA", "N/A", "#N/A", "#NA", "NaN", "-NaN", "nan", "-nan", "NAN", "null", "NULL", "Null", "None", "none", "NONE",
    "n/a", "<NA>", "?", "-", "nil", "NIL", "na", "Na", ".", "--", "\\N",
  ].map { word in word.utf8.reduce(0) { $0 << 8 | UInt64($1) } }

  /// Whether a cell is missing.
  static func isMissing(_ cell: UnsafeBufferPointer<UInt8>) -> Bool {
    let cell = trimmed(cell)
    guard let first = cell.first else { return true }
    guard cell.count <= 4 else { return false }
    switch first {
    case UInt8(ascii: "N"), UInt8(ascii: "n"), UInt8(ascii: "#"), UInt8(ascii: "-"), UInt8(ascii: "<"),
      UInt8(ascii: "?"), UInt8(ascii: "."), UInt8(ascii: "\\"):
      return missing.contains(cell.reduce(0) { $0 << 8 | UInt64($1) })
    default: return false
    }
  }

  /// A cell without surrounding blanks, which are spaces and tabs.
  @inline(__always)
  static func trimmed(_ cell: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    guard let first = cell.first, let last = cell.last, isBlank(first) || isBlank(last) else { return cell }
    var (start, end) = (0, cell.count)
    while start < end, isBlank(cell[start]) { start += 1 }
    while end > start, isBlank(cell[end - 1]) { end -= 1 }
    return UnsafeBufferPointer(rebasing: cell[start..<end])
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// A number is correctly rounded to float32.
  func reading(of cell: UnsafeBufferPointer<UInt8>) -> Reading {
    let cell = CellText.trimmed(cell)
    guard let number = NumberText(cell, from: 0, decimal: decimal), number.end == cell.count else { return other(cell) }
    guard cell.count <= CellText.longestNumber else { return .tooLong }
    if let value = number.quickValue { return .number(value) }
    let text = String(decoding: cell.map { $0 == decimal ? UInt8(ascii: ".") : $0 }, as: UTF8.self)
    guard let value = Float(text) else { return .text }
    return value.isFinite ? .number(value) : .notFinite
  }

  /// What is no number.
  private func other(_ cell: UnsafeBufferPointer<UInt8>) -> Reading {
    if CellText.isMissing(cell) { return .missing }
    guard cell.count <= 9 else { return .text }
    let word = String(decoding: cell, as: UTF8.self).lowercased().drop { $0 == "-" || $0 == "+" }
    return word == "inf" || word == "infinity" ? .notFinite : .text
  }
}
