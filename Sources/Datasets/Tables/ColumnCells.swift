/// A cell that cannot stay as it is, found while a table is read.
struct CellFlaw: Sendable {
  /// What is wrong, as a phrase that follows the cell's text.
  enum Kind: String, Sendable {
    case text = "is not a number"
    case notFinite = "is not finite; clean the data first"
    case tooLong = "is too long for a number"
    case missing = "where a number should be"
    case notDate = "is not a date of the column's kind"
    case notText = "is not UTF-8; convert the file first, as in iconv -f LATIN1 -t UTF-8 FILE"
  }

  let kind: Kind
  /// From 1, of the file; before, from 0, of the part that was read.
  var line: Int
  let text: String

  init(_ kind: Kind, line: Int, text: String) { (self.kind, self.line, self.text) = (kind, line, text) }

  /// Has the text of a cell, with a limited length.
  init(_ kind: Kind, _ cell: UnsafeBufferPointer<UInt8>, line: Int) {
    let text = String(decoding: CellText.trimmed(cell).prefix(40), as: UTF8.self)
    self.init(kind, line: line, text: cell.count > 40 ? text + "…" : text)
  }

  func moved(by lines: Int) -> CellFlaw { CellFlaw(kind, line: line + lines, text: text) }
}

/// The cells of one column while a table is read: numbers, or words if one of them is no number.
struct ColumnCells: Sendable {
  /// How cells are read.
  enum Mode: Sendable {
    case numbers
    case words
    /// As words, also where they stand for a missing value.
    case raw
    /// Not at all.
    case skipped
  }

  let mode: Mode
  private(set) var numbers: [Float] = []
  private(set) var codes: [Int32] = []
  private(set) var words = Words()
  /// The first of each kind, in the order of their lines.
  private(set) var flaws: [CellFlaw] = []

  /// The first cell of numbers that is text.
  var text: CellFlaw? { flaws.first { $0.kind == .text } }
  /// The first cell of numbers that no float32 holds.
  var notFinite: CellFlaw? { flaws.first { $0.kind == .notFinite || $0.kind == .tooLong } }

  init(_ mode: Mode) { self.mode = mode }

  /// Appends a number.
  @inline(__always)
  mutating func append(_ number: Float) { numbers.append(number) }

  mutating func append(_ cell: UnsafeBufferPointer<UInt8>, _ reader: CellText, line: Int) {
    switch mode {
    case .skipped: break
    case .words: codes.append(CellText.isMissing(cell) ? -1 : words.number(of: cell))
    case .raw: codes.append(words.number(of: cell))
    case .numbers:
      switch reader.reading(of: cell) {
      case .number(let value): numbers.append(value)
      case .missing: append(.missing, cell, line: line)
      case .text: append(.text, cell, line: line)
      case .notFinite: append(.notFinite, cell, line: line)
      case .tooLong: append(.tooLong, cell, line: line)
      }
    }
  }

  /// Appends what is no number to numbers.
  mutating func append(_ kind: CellFlaw.Kind, _ cell: UnsafeBufferPointer<UInt8>, line: Int) {
    numbers.append(.nan)
    if !flaws.contains(where: { $0.kind == kind }) { flaws.append(CellFlaw(kind, cell, line: line)) }
  }

  /// Appends the cells that follow in the file.
  ///
  /// - Parameter line: what the next cells' lines are counted from.
  mutating func append(_ next: ColumnCells, line: Int) {
    for flaw in next.flaws where !flaws.contains(where: { $0.kind == flaw.kind }) { flaws.append(flaw.moved(by: line)) }
    numbers.append(contentsOf: next.numbers)
    guard mode == .words || mode == .raw else { return }
    let codeOfWord = words.append(next.words)
    codes.append(contentsOf: next.codes.lazy.map { $0 < 0 ? -1 : codeOfWord[Int($0)] })
  }

  /// Raw cells as another mode has them.
  ///
  /// - Parameter line: of a cell.
  func read(as mode: Mode, _ reader: CellText, line: (Int) -> Int) -> ColumnCells {
    var texts: [[UInt8]] = []
    words.forEach { texts.append(Array($1)) }
    var cells = ColumnCells(mode)
    for (row, code) in codes.enumerated() {
      texts[Int(code)].withUnsafeBufferPointer { cells.append($0, reader, line: line(row)) }
    }
    return cells
  }
}
