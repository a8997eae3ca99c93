/// How a table's file is read.
package struct TableFormat: Sendable {
  /// Between a number's whole part and its fraction.
  package var decimal = UInt8(ascii: ".")
  /// Columns whose type is declared, by name or position from 1.
  package var types: [String: ColumnType] = [:]
  /// What users call columns: a first line that has one of these is a header.
  package var named: Set<String> = []
  /// Whether declared columns may be missing.
  package var typesAreOptional = false
  /// Columns that are skipped, by name or position from 1.
  package var ignored: Set<String> = []
  /// The column of groups, by name or position from 1. It is read even if it is ignored, as words: numbers of many digits
  /// would lose some.
  package var group: String?
  /// The column of times, by name or position from 1. It is read even if it is ignored.
  package var time: String?
  /// Columns whose cells are kept as they are, by name.
  package var kept: Set<String> = []
  /// The columns' names in a file without a header, if they are as many; otherwise their positions from 1.
  package var namesIfNone: [String] = []
  /// Every column is a number, and a missing cell is an error, as in jobs of earlier versions.
  package var isFormer = false
  /// Whether days precede months in columns of dates such as 01/02/2024, by name or position from 1.
  package var isDayFirst: [String: Bool] = [:]
  /// Whether the cells tell it for other columns; else such dates are none there.
  package var infersDayFirst = true
  /// Why cells must have their column's declared type, at the end of errors.
  package var reason = ", and --columns says that the column has them"

  /// Who names the columns that must be there, for errors.
  package var wanted = ", which --columns names"

  package init() {}

  /// Declares what the columns of `recipe` are.
  mutating func declare(_ recipe: Recipe) {
    infersDayFirst = false
    for column in recipe.columns {
      types[column.name] = column.encoding.type
      if case .date(let date) = column.encoding { isDayFirst[column.name] = date.isDayFirst }
    }
  }

  /// What is said of a file's columns.
  struct Declared {
    var types: [ColumnType?]
    var isIgnored: [Bool]
    var isDayFirst: [Bool?]
    /// Names that the file does not have.
    var unknown: [String]
  }

  /// What is said of the columns `names`. A name goes before a position.
  func declared(_ names: [String]) -> Declared {
    var declared = Declared(
      types: names.map { _ in nil }, isIgnored: names.map { _ in false }, isDayFirst: names.map { _ in nil },
      unknown: [])
    let indices = Dictionary(zip(names, names.indices)) { first, _ in first }
    func index(_ name: String) -> Int? { indices[name] ?? Table.column(name, among: names) }
    func isName(_ name: String) -> Int { indices[name] == nil ? 0 : 1 }
    for name in ignored.sorted() {
      if let index = index(name) { declared.isIgnored[index] = true } else { declared.unknown.append(name) }
    }
    for (name, type) in types.sorted(by: { (isName($0.key), $0.key) < (isName($1.key), $1.key) }) {
      if let index = index(name) { declared.types[index] = type } else { declared.unknown.append(name) }
    }
    if let index = time.flatMap(index) { declared.isIgnored[index] = false }
    if let index = group.flatMap(index) { (declared.isIgnored[index], declared.types[index]) = (false, .category) }
    for (name, isFirst) in isDayFirst { if let index = index(name) { declared.isDayFirst[index] = isFirst } }
    return declared
  }
}
