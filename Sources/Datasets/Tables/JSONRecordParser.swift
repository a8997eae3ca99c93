internal import Foundation

/// How the cells of each key are read.
struct JSONModes: Sendable {
  private let format: TableFormat
  private let words: Set<String>
  private let keepsDeclaredOnly: Bool

  /// - Parameters:
  ///   - words: keys without declared type that have words.
  ///   - keepsDeclaredOnly: whether keys without declared type are skipped.
  init(_ format: TableFormat, words: Set<String>, keepsDeclaredOnly: Bool) {
    (self.format, self.words, self.keepsDeclaredOnly) = (format, words, keepsDeclaredOnly)
  }

  /// How a key's cells are read, and whether a text may be a number.
  func mode(_ key: String) -> (mode: ColumnCells.Mode, readsText: Bool) {
    if format.kept.contains(key) { return (.raw, true) }
    if key == format.group { return (.words, true) }
    if format.ignored.contains(key), key != format.time { return (.skipped, false) }
    switch format.types[key] {
    case .number: return (.numbers, true)
    case .category, .date: return (.words, true)
    case nil: return (keepsDeclaredOnly ? .skipped : words.contains(key) ? .words : .numbers, false)
    }
  }
}

/// The cells of one key, of the records that have one.
struct JSONColumn: Sendable {
  let readsText: Bool
  private(set) var rows: [Int32] = []
  private(set) var cells: ColumnCells

  init(_ mode: (mode: ColumnCells.Mode, readsText: Bool)) {
    (cells, readsText) = (ColumnCells(mode.mode), mode.readsText)
  }

  /// Appends a cell that is a number or, if `isText`, none.
  ///
  /// - Returns: false if the row has a cell already.
  mutating func append(_ cell: UnsafeBufferPointer<UInt8>, isText: Bool, row: Int32, line: Int) -> Bool {
    let isMissing = cells.mode == .raw ? cell.elementsEqual("null".utf8) : isText && CellText.isMissing(cell)
    guard cells.mode != .skipped, !isMissing else { return true }
    guard rows.last != row else { return false }
    rows.append(row)
    if isText, cells.mode == .numbers, !readsText {
      cells.append(.text, cell, line: line)
    } else {
      cells.append(cell, CellText(decimal: UInt8(ascii: ".")), line: line)
    }
    return true
  }

  /// Appends the cells that follow in the file, those of records from `row` on.
  mutating func append(_ next: JSONColumn, row: Int, line: Int) {
    rows.append(contentsOf: next.rows.lazy.map { $0 + Int32(row) })
    cells.append(next.cells, line: line)
  }
}

/// Parses JSON objects (RFC 8259), one a line, into the cells of columns, for one thread. `NaN`, which is no JSON but
/// which Python writes, is a missing cell.
struct JSONRecordParser {
  /// The records of a part of a file.
  struct Piece: Sendable {
    var keys = Words()
    /// One a key.
    var columns: [JSONColumn] = []
    var rows = 0
    /// The lines that end in it.
    var lines = 0
    /// Rows before which the lines do not follow each other, with their lines; both from 0.
    var breaks: [(row: Int, line: Int)] = []
    /// The first line that is no record.
    var flaw: RecordParser.RecordFlaw?
  }

  /// Why a line is no record.
  private struct Refusal: Error {
    var problem = "not a JSON object"
  }

  private(set) var piece = Piece()
  private let text: UnsafeBufferPointer<UInt8>
  private let modes: JSONModes
  private var index = 0
  /// The end of the present line.
  private var end = 0
  /// The keys of the objects and lists that the present value is in.
  private var path: [UInt8] = []
  private var scratch: [UInt8] = []

  /// The most brackets inside each other.
  private static let deepest = 64
  /// In bytes, with the keys that it is inside of.
  private static let longestKey = 1000
  /// A column takes some memory of its own.
  static let mostColumns = 1 << 16

  init(_ text: UnsafeBufferPointer<UInt8>, _ modes: JSONModes) { (self.text, self.modes) = (text, modes) }

  // MARK: Lines

  /// Parses all lines, or those before the first that is no record.
  mutating func parse() {
    var expected = -1
    while index < text.count {
      let start = index
      end = lineEnd(from: start)
      skipBlanks()
      if index < end {
        let line = piece.lines
        if line != expected { piece.breaks.append((piece.rows, line)) }
        expected = line + 1
        do {
          try record()
        } catch {
          let shown = String(decoding: text[start..<min(end, start + 40)], as: UTF8.self)
          let more = end - start > 40 ? "…" : ""
          piece.flaw = RecordParser.RecordFlaw(line: line, problem: "\(error.problem): '\(shown)\(more)'")
          return
        }
        piece.rows += 1
      }
      piece.lines += 1
      index = end + 1
    }
  }

  private func lineEnd(from start: Int) -> Int {
    let base = text.baseAddress!
    return memchr(base + start, 0x0A, text.count - start).map { UnsafeRawPointer($0) - UnsafeRawPointer(base) }
      ?? text.count
  }

  private mutating func record() throws(Refusal) {
    guard text[index] == UInt8(ascii: "{") else { throw Refusal() }
    path.removeAll(keepingCapacity: true)
    try object(depth: 1)
    skipBlanks()
    guard index == end else { throw Refusal() }
  }

  // MARK: Values

  private mutating func skipBlanks() {
    while index < end, text[index] == 0x20 || text[index] == 0x09 || text[index] == 0x0D { index += 1 }
  }

  /// The next byte behind blanks, which must be there.
  private mutating func next() throws(Refusal) -> UInt8 {
    skipBlanks()
    guard index < end else { throw Refusal() }
    return text[index]
  }

  /// Goes behind `byte`, which must be the next one.
  private mutating func expect(_ byte: Unicode.Scalar) throws(Refusal) {
    guard try next() == UInt8(ascii: byte) else { throw Refusal() }
    index += 1
  }

  /// Goes behind a comma or the bracket at the end.
  ///
  /// - Returns: whether another item follows.
  private mutating func hasMore(_ bracket: Unicode.Scalar) throws(Refusal) -> Bool {
    let byte = try next()
    guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: bracket) else { throw Refusal() }
    index += 1
    return byte == UInt8(ascii: ",")
  }

  private mutating func value(depth: Int) throws(Refusal) {
    switch try next() {
    case UInt8(ascii: "{"): try object(depth: depth + 1)
    case UInt8(ascii: "["): try list(depth: depth + 1)
    case UInt8(ascii: "\""):
      let (content, isEscaped) = try string()
      if isEscaped {
        scratch.removeAll(keepingCapacity: true)
        try unescape(content, into: &scratch)
        let unescaped = scratch
        try unescaped.withUnsafeBufferPointer { (cell) throws(Refusal) in try append(cell, isText: true) }
      } else {
        try append(UnsafeBufferPointer(rebasing: text[content]), isText: true)
      }
    case UInt8(ascii: "t"): try append(word("true"), isText: true)
    case UInt8(ascii: "f"): try append(word("false"), isText: true)
    case UInt8(ascii: "n"): try append(word("null"), isText: true)
    case UInt8(ascii: "N"): try append(word("NaN"), isText: true)
    case UInt8(ascii: "I"): try append(word("Infinity"), isText: false)
    default: try append(number(), isText: false)
    }
  }

  private mutating func object(depth: Int) throws(Refusal) {
    try enter(depth)
    if try next() == UInt8(ascii: "}") {
      index += 1
      return
    }
    repeat {
      let count = path.count
      guard try next() == UInt8(ascii: "\"") else { throw Refusal() }
      let (key, isEscaped) = try string()
      if count > 0 { path.append(UInt8(ascii: ".")) }
      if isEscaped { try unescape(key, into: &path) } else { path.append(contentsOf: text[key]) }
      guard path.count <= JSONRecordParser.longestKey else {
        throw Refusal(problem: "a key of more than \(JSONRecordParser.longestKey) bytes")
      }
      try expect(":")
      try value(depth: depth)
      path.removeLast(path.count - count)
    } while try hasMore("}")
  }

  private mutating func list(depth: Int) throws(Refusal) {
    try enter(depth)
    if try next() == UInt8(ascii: "]") {
      index += 1
      return
    }
    let count = path.count
    var item = 0
    repeat {
      path.append(UInt8(ascii: "."))
      appendDigits(item)
      try value(depth: depth)
      path.removeLast(path.count - count)
      item += 1
    } while try hasMore("]")
  }

  /// Appends a number to the path.
  private mutating func appendDigits(_ number: Int) {
    if number > 9 { appendDigits(number / 10) }
    path.append(UInt8(ascii: "0") + UInt8(number % 10))
  }

  /// Goes behind an opening bracket.
  private mutating func enter(_ depth: Int) throws(Refusal) {
    guard depth <= JSONRecordParser.deepest else {
      throw Refusal(problem: "more than \(JSONRecordParser.deepest) brackets inside each other")
    }
    index += 1
  }

  private mutating func append(_ cell: UnsafeBufferPointer<UInt8>, isText: Bool) throws(Refusal) {
    let key = Int(piece.keys.number(of: path))
    if key == piece.columns.count {
      guard key < JSONRecordParser.mostColumns else {
        throw Refusal(problem: "with it there are more than \(JSONRecordParser.mostColumns) columns")
      }
      piece.columns.append(JSONColumn(modes.mode(piece.keys[key])))
    }
    guard piece.columns[key].append(cell, isText: isText, row: Int32(piece.rows), line: piece.lines) else {
      throw Refusal(problem: "the key '\(piece.keys[key])' occurs twice")
    }
  }

  // MARK: Tokens

  /// Goes behind a word that must be the next one.
  private mutating func word(_ word: StaticString) throws(Refusal) -> UnsafeBufferPointer<UInt8> {
    let (start, count) = (index, word.utf8CodeUnitCount)
    guard end - start >= count, memcmp(text.baseAddress! + start, word.utf8Start, count) == 0 else { throw Refusal() }
    index += count
    return UnsafeBufferPointer(rebasing: text[start..<index])
  }

  private mutating func number() throws(Refusal) -> UnsafeBufferPointer<UInt8> {
    let start = index
    if text[index] == UInt8(ascii: "-") { index += 1 }
    if index < end, text[index] == UInt8(ascii: "I") {
      _ = try word("Infinity")
      return UnsafeBufferPointer(rebasing: text[start..<index])
    }
    let whole = index
    try digits()
    guard text[whole] != UInt8(ascii: "0") || index == whole + 1 else { throw Refusal() }
    if index < end, text[index] == UInt8(ascii: ".") {
      index += 1
      try digits()
    }
    if index < end, text[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < end, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") { index += 1 }
      try digits()
    }
    return UnsafeBufferPointer(rebasing: text[start..<index])
  }

  private mutating func digits() throws(Refusal) {
    let start = index
    while index < end, text[index] &- 48 < 10 { index += 1 }
    guard index > start else { throw Refusal() }
  }

  /// Goes behind a string, whose first quote is the next byte.
  ///
  /// - Returns: what is between the quotes, and whether it has escapes.
  private mutating func string() throws(Refusal) -> (content: Range<Int>, isEscaped: Bool) {
    let start = index + 1
    var isEscaped = false
    index = start
    while index < end, text[index] != UInt8(ascii: "\"") {
      guard text[index] >= 0x20 else { throw Refusal() }
      if text[index] == UInt8(ascii: "\\") {
        isEscaped = true
        index += 1
      }
      index += 1
    }
    guard index < end else { throw Refusal() }
    index += 1
    return (start..<index - 1, isEscaped)
  }

  private func unescape(_ content: Range<Int>, into bytes: inout [UInt8]) throws(Refusal) {
    var place = content.lowerBound
    while place < content.upperBound {
      guard text[place] == UInt8(ascii: "\\") else {
        bytes.append(text[place])
        place += 1
        continue
      }
      // A string never ends behind a backslash.
      let letter = text[place + 1]
      place += 2
      switch letter {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(letter)
      case UInt8(ascii: "b"): bytes.append(0x08)
      case UInt8(ascii: "f"): bytes.append(0x0C)
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "u"):
        let scalar = try scalar(&place, content.upperBound)
        bytes.append(contentsOf: String(scalar).utf8)
      default: throw Refusal()
      }
    }
  }

  /// The scalar of one or two `\u` escapes, behind whose u `place` is. Half a pair becomes U+FFFD.
  private func scalar(_ place: inout Int, _ end: Int) throws(Refusal) -> Unicode.Scalar {
    let first = try hexadecimal(&place, end)
    if let scalar = Unicode.Scalar(first) { return scalar }
    var behind = place + 2
    guard first < 0xDC00, behind <= end, text[place] == UInt8(ascii: "\\"), text[place + 1] == UInt8(ascii: "u") else {
      return "\u{FFFD}"
    }
    let second = try hexadecimal(&behind, end)
    guard (0xDC00..<0xE000).contains(second) else { return "\u{FFFD}" }
    place = behind
    return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))!
  }

  private func hexadecimal(_ place: inout Int, _ end: Int) throws(Refusal) -> UInt32 {
    guard end - place >= 4 else { throw Refusal() }
    var value: UInt32 = 0
    for byte in text[place..<place + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw Refusal() }
      value = value << 4 | UInt32(digit)
    }
    place += 4
    return value
  }
}
