internal import Schema

/// The columns of a file of JSON Lines while it is read.
struct JSONColumns {
  private let format: TableFormat
  private var keys = Words()
  /// One a key.
  private var columns: [JSONColumn] = []

  init(_ format: TableFormat) { self.format = format }

  /// Of all columns that are kept, in the order in which they first appeared.
  var names: [String] {
    (0..<keys.count).compactMap { columns[$0].cells.mode == .skipped ? nil : keys[$0] }
  }

  /// Of all columns, in the order in which they first appeared.
  var allNames: [String] { (0..<keys.count).map { keys[$0] } }

  /// Columns that are read as numbers, and of which a cell is none.
  var wordless: [String] {
    (0..<keys.count).compactMap { columns[$0].cells.text == nil ? nil : keys[$0] }
  }

  /// Appends the cells that follow in the file.
  ///
  /// - Throws: ``DatasetError`` for a line that is no object, and text in a column that must have numbers.
  mutating func append(_ piece: JSONRecordParser.Piece, row: Int, line: Int, _ file: String) throws {
    guard row + piece.rows <= Int(Int32.max) else { throw DatasetError("\(file) has more than \(Int32.max) records") }
    for (next, number) in zip(piece.columns, keys.append(piece.keys)) {
      if Int(number) == columns.count { columns.append(JSONColumn((next.cells.mode, next.readsText))) }
      columns[Int(number)].append(next, row: row, line: line)
    }
    let end = piece.flaw.map { line + $0.line } ?? line + piece.lines
    try checkDeclared(before: end, file)
    if let flaw = piece.flaw { throw DatasetError("\(file), line \(end): \(flaw.problem)") }
    guard columns.count <= JSONRecordParser.mostColumns else {
      throw DatasetError("\(file) has more than \(JSONRecordParser.mostColumns) columns")
    }
  }

  /// Refuses text in columns that are declared to be numbers.
  private func checkDeclared(before end: Int, _ file: String) throws {
    var first: (flaw: CellFlaw, key: Int)?
    for (key, column) in columns.enumerated() where column.readsText {
      let flaw = column.cells.flaws.first { $0.kind != .missing }
      if let flaw, flaw.line < first?.flaw.line ?? end { first = (flaw, key) }
    }
    if let (flaw, key) = first { throw error(flaw, keys[key], file) }
  }

  private func error(_ flaw: CellFlaw, _ name: String, _ file: String) -> DatasetError {
    let reason = flaw.kind == .text || flaw.kind == .notDate ? format.reason : ""
    return DatasetError("\(file), line \(flaw.line), column \(name): '\(flaw.text)' \(flaw.kind.rawValue)\(reason)")
  }

  /// - Throws: ``DatasetError`` if a column is declared that the file does not have, or two have one name.
  func checkNames(_ file: String) throws {
    // Keys of other bytes may be equal as texts: if they spell a letter in two ways.
    var met: Set<String> = []
    for name in names where !met.insert(name).inserted {
      throw DatasetError("\(file) has two columns of the name '\(name)', in other bytes")
    }
    guard !format.typesAreOptional else { return }
    let all = Set((0..<keys.count).map { keys[$0] })
    guard let name = (format.types.keys.sorted() + format.ignored.sorted()).first(where: { !all.contains($0) }) else {
      return
    }
    throw DatasetError(
      "\(file) has no column '\(name)'\(format.wanted): its columns are \(Table.list(names))" + suggestion(name, names))
  }

  // MARK: The table

  /// The table of the columns `names`, whose first cells are those of record `first` of `records`.
  func table(_ names: [String], _ records: JSONRecords, from first: Int) throws -> Table {
    let (file, count, places) = (records.name, records.rows - first, records.places)
    let present = columns.reduce(0) { $0 + $1.rows.count }
    guard names.count * count <= 1 << 22 || names.count * count / 256 <= present else {
      throw DatasetError(
        "\(file): \(count) records of \(names.count) columns have \(present) cells, which are too few for a table; "
          + "ignore some columns with --columns")
    }
    var keyOfName: [String: Int] = [:]
    for key in (0..<keys.count).reversed() { keyOfName[keys[key]] = key }
    var kept: [Table.Column] = []
    let all: [Table.Column] = try names.compactMap { name in
      let type = name == format.group ? .category : format.types[name]
      let mode: ColumnCells.Mode = type == .number ? .numbers : .words
      let column = keyOfName[name].map { columns[$0] } ?? JSONColumn((mode, true))
      func cells(_ cells: ColumnCells, _ type: ColumnType?) throws -> (cells: Table.Cells, isDayFirst: Bool?) {
        if let flaw = cells.notFinite { throw error(flaw, name, file) }
        switch cells.finished(type, isDayFirst: format.isDayFirst[name], infersDayFirst: format.infersDayFirst) {
        case .cells(let cells, let isDayFirst): return (cells.spread(to: column.rows, of: count), isDayFirst)
        case .flaw(let kind, let place, let text):
          let line = places.line(first + Int(column.rows[place]))
          throw error(CellFlaw(kind, line: line, text: text), name, file)
        }
      }
      if format.kept.contains(name) {
        kept.append(Table.Column(name: name, try cells(column.cells, .category).cells))
        guard type != nil else { return nil }
        if column.cells.mode == .raw {
          let typed = column.cells.read(as: mode, CellText(decimal: UInt8(ascii: "."))) {
            places.line(first + Int(column.rows[$0]))
          }
          if type == .number, let flaw = typed.text { throw error(flaw, name, file) }
          let (cells, isDayFirst) = try cells(typed, type)
          return Table.Column(name: name, cells, isDayFirst: isDayFirst)
        }
      }
      let (cells, isDayFirst) = try cells(column.cells, type)
      return Table.Column(name: name, cells, isDayFirst: isDayFirst)
    }
    return Table(
      name: file, columns: all, fileNames: allNames, kept: kept, count: count,
      place: { "line \(places.line(first + $0))" })
  }
}

extension Table.Cells {
  /// Cells of which each goes to one of `rows`; the other ones of `count` are missing.
  fileprivate func spread(to rows: [Int32], of count: Int) -> Table.Cells {
    func spread<Cell>(_ cells: [Cell], _ missing: Cell) -> [Cell] {
      guard rows.count < count else { return cells }
      var all = [Cell](repeating: missing, count: count)
      for (cell, row) in zip(cells, rows) { all[Int(row)] = cell }
      return all
    }
    return switch self {
    case .numbers(let all): .numbers(spread(all, .nan))
    case .instants(let all): .instants(spread(all, Table.missingInstant))
    case .levels(let codes, let levels): .levels(spread(codes, -1), levels)
    }
  }
}
