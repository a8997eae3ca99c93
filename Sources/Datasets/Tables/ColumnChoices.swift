internal import Foundation
internal import Schema

/// What users say of columns: the value of `--columns`, such as `zip: category, id: ignore`.
package struct ColumnChoices: Equatable, Sendable {
  /// What becomes of a column.
  package enum Kind: String, CaseIterable, Sendable {
    /// A number.
    case number
    /// The logarithm of one plus a number that is above −1.
    case log1p
    /// A number's place among those of the training part, as a normal distribution has it.
    case quantile
    /// A word of a list.
    case category
    /// A day, or a day and a time.
    case date
    /// Not used.
    case ignore

    /// How the cells are read; nil if they are not.
    var type: ColumnType? {
      switch self {
      case .number, .log1p, .quantile: .number
      case .category: .category
      case .date: .date
      case .ignore: nil
      }
    }
  }

  /// In the order in which they were given; each name once.
  package private(set) var choices: [(name: String, kind: Kind)] = []

  /// No choices.
  package init() {}

  /// Parses names and kinds: `NAME: KIND`, separated by commas or line ends. A name with a comma, a colon or a line
  /// that starts with # stands in double quotes.
  ///
  /// - Throws: ``DatasetError`` that names what is not understood.
  package init(_ text: String) throws {
    for item in ColumnChoices.items(text) {
      guard let name = item.name else {
        throw DatasetError(
          "--columns: '\(item.text)' has no kind, and is no file: give NAME: KIND, separated by commas; kinds are "
            + Kind.allCases.map(\.rawValue).joined(separator: ", "))
      }
      let known = Kind.allCases.map(\.rawValue)
      guard let kind = Kind(rawValue: item.kind) else {
        throw DatasetError(
          "--columns: '\(item.kind)' of \(name) is no kind; kinds are \(known.joined(separator: ", "))"
            + suggestion(item.kind, known))
      }
      guard !choices.contains(where: { $0.name == name }) else {
        throw DatasetError("--columns: \(name) is given twice")
      }
      choices.append((name, kind))
    }
  }

  /// The names in a list such as `id, "a, b"`.
  package static func names(_ text: String) throws -> [String] {
    let names = items(text).map { unquoted($0.text) }
    if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
      throw DatasetError("--keep: \(names[twice]) is given twice")
    }
    return names
  }

  /// The choices in `text`, or in the file that it names.
  package static func reading(_ text: String) throws -> ColumnChoices {
    guard let bytes = FileManager.default.contents(atPath: text) else { return try ColumnChoices(text) }
    do {
      return try ColumnChoices(String(decoding: bytes, as: UTF8.self))
    } catch let error as DatasetError {
      throw DatasetError("\(text): \(error.description)")
    }
  }

  private static func items(_ text: String) -> [(text: String, name: String?, kind: String)] {
    var items: [(String, String?, String)] = []
    var (item, colon, quoted): (String, String.Index?, Bool) = ("", nil, false)
    func trimmed(_ text: some StringProtocol) -> String {
      String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
    func end() {
      let whole = trimmed(item)
      if !whole.isEmpty && !whole.hasPrefix("#") {
        let parts = colon.map { (trimmed(item[..<$0]), trimmed(item[item.index(after: $0)...])) }
        items.append((whole, parts.map { unquoted($0.0) }, parts?.1 ?? ""))
      }
      (item, colon) = ("", nil)
    }
    for character in text {
      if character == "\"" { quoted.toggle() }
      if !quoted && (character == "," || character.isNewline) {
        end()
        continue
      }
      item.append(character)
      if character == ":" && !quoted { colon = item.index(before: item.endIndex) }
    }
    end()
    return items
  }

  private static func unquoted(_ name: String) -> String {
    guard name.count >= 2, name.hasPrefix("\""), name.hasSuffix("\"") else { return name }
    return String(name.dropFirst().dropLast()).replacing("\"\"", with: "\"")
  }

  /// The choices as one line, which ``init(_:)`` reads.
  package var text: String {
    choices.map { name, kind in "\(ColumnChoices.quoted(name)): \(kind.rawValue)" }.joined(separator: ", ")
  }

  /// A name as a choice has it.
  package static func quoted(_ name: String) -> String {
    let isPlain = name.allSatisfy { !",:\"\n\r#".contains($0) } && name == name.trimmed
    return isPlain ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
  }

  /// The kinds of the columns of `table` that were chosen.
  ///
  /// - Parameter excluded: columns that are no features, with the reason; labels have none.
  /// - Throws: ``DatasetError`` for a column that is given twice, and for a kind that does nothing.
  func kinds(of table: Table, excluding excluded: [Int: String]) throws -> [Int: Kind] {
    var kinds: [Int: Kind] = [:]
    let indices = Dictionary(zip(table.columns.map(\.name), table.columns.indices)) { first, _ in first }
    for (name, kind) in choices {
      guard let index = indices[name] ?? table.column(name) else { continue }
      guard kinds.updateValue(kind, forKey: index) == nil else {
        throw DatasetError("--columns: \(name) is the column \(table.columns[index].name), which is given twice")
      }
      let isLabel = excluded[index] == ""
      if isLabel, kind != .number, kind != .category {
        throw DatasetError(
          "--columns: \(name) is the label, which can be a number or a category, and not \(kind.rawValue)")
      }
      if !isLabel, let option = excluded[index], kind != .ignore {
        throw DatasetError("--columns: \(name) is no feature, because \(option) names it: leave its kind out")
      }
    }
    return kinds
  }

  package static func == (left: ColumnChoices, right: ColumnChoices) -> Bool { left.text == right.text }
}

extension String {
  fileprivate var trimmed: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
