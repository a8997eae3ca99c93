/// Records as a file has them: named columns, with cells that may be missing. A recipe makes numbers of them.
package struct Table: Sendable {
  /// The file's name, for errors.
  package var name: String
  package var columns: [Column]
  /// The names of all columns of the file, also of those that are ignored; if empty, those of ``columns``.
  package var fileNames: [String] = []
  /// The cells of columns that are kept for predictions, as the file has them.
  package var kept: [Column] = []
  /// Whether the file has the columns' names; else they are positions from 1.
  package var hasNames = true
  /// The number of records.
  package var count: Int
  /// The place of record `row` in the file, such as "line 12", for errors.
  package var place: @Sendable (_ row: Int) -> String
  /// The names of the classes 0, 1, …, if the file lists them apart from its records; otherwise empty.
  package var classNames: [String] = []

  package struct Column: Sendable {
    package var name: String
    package var cells: Cells
    /// Whether days precede months in its dates; nil if they have another form, or their cells do not tell it.
    package var isDayFirst: Bool?

    package init(name: String, _ cells: Cells, isDayFirst: Bool? = nil) {
      (self.name, self.cells, self.isDayFirst) = (name, cells, isDayFirst)
    }
  }

  /// A column's cells, one a record.
  package enum Cells: Sendable {
    /// NaN is missing; others are finite.
    case numbers([Float])
    /// Seconds since 1970-01-01T00:00:00Z. ``missingInstant`` is missing.
    case instants([Int64])
    /// Indices of levels; −1 is missing. The levels are in the order of their bytes, each has a cell.
    case levels([Int32], [String])
  }

  package static let missingInstant = Int64.min

  /// All names that a column can be given by.
  package var names: [String] { fileNames.isEmpty ? columns.map(\.name) : fileNames }

  /// The index in ``columns`` of the one that `text` names, or whose position in the file, from 1, it is.
  package func column(_ text: String) -> Int? {
    let names = names
    return Table.column(text, among: names).flatMap { place in columns.firstIndex { $0.name == names[place] } }
  }

  static func column(_ text: String, among names: [String]) -> Int? {
    if let index = names.firstIndex(of: text) { return index }
    return Int(text).flatMap { $0 > 0 && $0 <= names.count ? $0 - 1 : nil }
  }

  /// `names` for an error, at most 30 of them.
  static func list(_ names: [String]) -> String {
    names.prefix(30).map { shown($0) }.joined(separator: ", ") + (names.count > 30 ? ", …" : "")
  }

  /// A cell or a name for a line of text: at most 40 characters, none of which moves the cursor.
  package static func shown(_ text: String) -> String {
    let plain = String(
      text.prefix(41).map {
        $0.isNewline || $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } ? "␣" : $0
      })
    return plain.count > 40 ? plain.prefix(39) + "…" : plain
  }
}

/// What a column's cells are.
package enum ColumnType: String, CaseIterable, Sendable {
  case number
  case date
  case category
}

extension Table.Cells {
  /// Whether the cells are words.
  package var isText: Bool {
    switch self {
    case .numbers: false
    case .instants, .levels: true
    }
  }

  /// Cell `row` as a file has it; nil if it is missing.
  package func text(_ row: Int) -> String? {
    switch self {
    case .numbers(let all): all[row].isNaN ? nil : OptionText.number(all[row])
    case .levels(let codes, let levels): codes[row] < 0 ? nil : levels[Int(codes[row])]
    case .instants(let all): all[row] == Table.missingInstant ? nil : CivilDate.text(all[row])
    }
  }
}
