internal import Foundation
internal import Schema

/// A delimited file that is read from start to end, block by block.
final class DelimitedFile {
  let layout: DelimitedLayout
  /// The records that were read.
  private(set) var rows = 0
  private let format: TableFormat
  private let modes: [ColumnCells.Mode]
  private let declared: TableFormat.Declared
  private let threads: Int
  private let blocks: TextBlocks
  /// The line after those that were read.
  private var line: Int
  private var places = RecordPlaces()

  /// - Parameters:
  ///   - words: columns without declared type that have words.
  ///   - keepsDeclaredOnly: whether columns without declared type are skipped.
  init(
    _ format: TableFormat, blockSize: Int, threads: Int, _ reader: ByteReader, words: Set<Int>,
    keepsDeclaredOnly: Bool = false
  ) throws {
    blocks = TextBlocks(reader, size: blockSize)
    (self.format, self.threads) = (format, max(threads, 1))
    let layout = try DelimitedLayout(blocks, format)
    self.layout = layout
    blocks.drop(layout.start)
    line = layout.firstLine
    let declared = format.declared(layout.names)
    if let name = declared.unknown.first, !keepsDeclaredOnly, !format.typesAreOptional {
      throw DatasetError(
        "\(blocks.name) has no column '\(name)'\(format.wanted): its columns are \(Table.list(layout.names))"
          + suggestion(name, layout.names))
    }
    self.declared = declared
    modes = layout.names.indices.map { index in
      if format.kept.contains(layout.names[index]) { return .raw }
      if declared.isIgnored[index] { return .skipped }
      switch declared.types[index] {
      case .number: return .numbers
      case .category, .date: return .words
      case nil: return keepsDeclaredOnly ? .skipped : words.contains(index) && !format.isFormer ? .words : .numbers
      }
    }
  }

  func newColumns() -> [ColumnCells] { modes.map { ColumnCells($0) } }

  // MARK: Records

  /// Appends the cells of the next block to `columns`.
  ///
  /// - Returns: whether there was one.
  /// - Throws: ``DatasetError`` for a record that has another number of cells, a quote that does not end, and text in a
  ///   column that must have numbers.
  func next(into columns: inout [ColumnCells]) throws -> Bool {
    let before = rows
    while rows == before {
      let cuts = try nextCuts()
      guard let end = cuts.last?.upperBound else {
        try checkAnnounced()
        return false
      }
      for piece in parse(cuts) { try append(piece, to: &columns) }
      try checkDeclared(columns, before: line)
      blocks.drop(end)
    }
    return true
  }

  /// The next records in about equal parts, one a thread.
  private func nextCuts() throws -> [Range<Int>] {
    while true {
      var cuts = blocks.withBytes { layout.record.cuts($0, parts: threads) }
      let end = cuts.last?.upperBound ?? 0
      if blocks.isAtEnd, end < blocks.count { cuts.append(end..<blocks.count) }
      if blocks.isAtEnd || !cuts.isEmpty { return cuts }
      try blocks.more()
    }
  }

  private func parse(_ cuts: [Range<Int>]) -> [RecordParser.Piece] {
    let parser = RecordParser(record: layout.record, modes: modes, reader: CellText(decimal: format.decimal))
    var pieces = [RecordParser.Piece?](repeating: nil, count: cuts.count)
    blocks.withBytes { text in
      pieces.withUnsafeMutableBufferPointer { pieces in
        // Each iteration reads its part of the text and writes its piece.
        nonisolated(unsafe) let (text, pieces) = (text, pieces)
        DispatchQueue.concurrentPerform(iterations: cuts.count) { pieces[$0] = parser.piece(text, cuts[$0]) }
      }
    }
    return pieces.map { $0! }
  }

  private func append(_ piece: RecordParser.Piece, to columns: inout [ColumnCells]) throws {
    for index in columns.indices { columns[index].append(piece.columns[index], line: line) }
    if let flaw = piece.flaw {
      try checkDeclared(columns, before: line + flaw.line)
      throw DatasetError("\(blocks.name), line \(line + flaw.line): \(flaw.problem)")
    }
    for (row, distance) in piece.breaks { places.note(row: rows + row, line: line + distance) }
    rows += piece.rows
    line += piece.lines
  }

  private func checkAnnounced() throws {
    guard let announced = layout.announced, announced != rows else { return }
    throw DatasetError(
      "\(blocks.name), line 1 says \(announced) records of \(layout.names.count - 1) features, and \(rows) follow")
  }

  /// Refuses text in columns that are declared to be numbers.
  private func checkDeclared(_ columns: [ColumnCells], before end: Int) throws {
    var first: (flaw: CellFlaw, index: Int)?
    for (index, column) in columns.enumerated() where declared.types[index] == .number || format.isFormer {
      let flaw = column.flaws.first { $0.kind != .missing || format.isFormer }
      if let flaw, flaw.line < first?.flaw.line ?? end { first = (flaw, index) }
    }
    if let (flaw, index) = first { throw error(flaw, index) }
  }

  private func error(_ flaw: CellFlaw, _ column: Int) -> DatasetError {
    let name = layout.hasHeader ? "\(column + 1) (\(layout.names[column]))" : "\(column + 1)"
    let reason = !format.isFormer && (flaw.kind == .text || flaw.kind == .notDate) ? format.reason : ""
    return DatasetError(
      "\(blocks.name), line \(flaw.line), column \(name): '\(flaw.text)' \(flaw.kind.rawValue)\(reason)")
  }

  // MARK: The table

  /// The table of `columns`, whose first cells are those of record `first`.
  func table(_ columns: [ColumnCells], from first: Int) throws -> Table {
    guard rows - first <= Int(Int32.max) else {
      throw DatasetError("\(blocks.name) has \(rows - first) records, and at most \(Int32.max) can be held")
    }
    let places = places
    var all: [Table.Column] = []
    var kept: [Table.Column] = []
    for (index, column) in columns.enumerated() where column.mode != .skipped {
      let (name, type) = (layout.names[index], declared.types[index])
      var column = column
      func cells(
        _ column: ColumnCells, _ type: ColumnType?
      ) throws -> (cells: Table.Cells, isDayFirst: Bool?) {
        if let flaw = column.notFinite { throw error(flaw, index) }
        let isDayFirst = declared.isDayFirst[index]
        switch column.finished(type, isDayFirst: isDayFirst, infersDayFirst: format.infersDayFirst) {
        case .cells(let cells, let isDayFirst): return (cells, isDayFirst)
        case .flaw(let kind, let row, let text):
          throw error(CellFlaw(kind, line: places.line(first + row), text: text), index)
        }
      }
      if column.mode == .raw {
        kept.append(Table.Column(name: name, try cells(column, nil).cells))
        guard let type else { continue }
        column = column.read(as: type == .number ? .numbers : .words, CellText(decimal: format.decimal)) {
          places.line(first + $0)
        }
        if type == .number, let flaw = column.text { throw error(flaw, index) }
      }
      let (cells, isDayFirst) = try cells(column, type)
      all.append(Table.Column(name: name, cells, isDayFirst: isDayFirst))
    }
    return Table(
      name: blocks.name, columns: all, fileNames: layout.names, kept: kept, hasNames: layout.hasHeader,
      count: rows - first,
      place: { "line \(places.line(first + $0))" }, classNames: layout.classNames)
  }

  /// Forgets the lines of the records that were read.
  func forgetPlaces() { places.forget() }
}
