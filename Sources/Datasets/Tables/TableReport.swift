/// What was found in a table, and what is made of it.
package struct TableReport: Equatable, Sendable {
  package var name: String
  /// The names of the label columns.
  package var labels: [String]
  /// Why the labels are classes or numbers.
  package var labelReason: String
  /// The classes' names; nil for numbers.
  package var classes: [String]?
  /// Records without a label, which are left out.
  package var unlabelled: Int
  /// Records that are equal to one before them.
  package var duplicates: Int
  /// Columns that --columns says to ignore, which were not read.
  package var ignored: [String]
  package var columns: [ColumnFinding]

  init(_ table: Table, _ labels: TableLabels, _ columns: [ColumnFinding]) {
    name = table.name
    self.labels = labels.recipes.map(\.name)
    labelReason = labels.reason
    classes = labels.recipes[0].classes
    unlabelled = table.count - labels.labelled.count
    duplicates = table.duplicates
    let read = Set(table.columns.map(\.name))
    ignored = table.names.filter { !read.contains($0) }
    self.columns = columns
  }

  /// The most names in a line.
  private static let mostNames = 12

  /// A line for each kind of column.
  package var lines: [String] {
    func list(_ title: String, _ texts: [String]) -> [String] {
      guard !texts.isEmpty else { return [] }
      let more = texts.count > TableReport.mostNames ? ", … (\(texts.count))" : ""
      return [title + texts.prefix(TableReport.mostNames).joined(separator: ", ") + more]
    }
    func counts(_ column: ColumnFinding) -> String {
      let counts = [
        column.missing > 0 ? "\(column.missing) missing" : nil,
        column.outliers > 0 ? "\(column.outliers) far out" : nil,
      ].compactMap(\.self)
      return counts.isEmpty ? "" : " (\(counts.joined(separator: ", ")))"
    }
    func named(_ isOfKind: (ColumnRecipe.Encoding) -> Bool) -> [ColumnFinding] {
      columns.filter { $0.recipe.map { isOfKind($0.encoding) } ?? false }
    }
    let numbers = named { if case .number = $0 { true } else { false } }.map { Table.shown($0.name) + counts($0) }
    let dates = named { if case .date = $0 { true } else { false } }.map {
      Table.shown($0.name) + counts($0) + ($0.reason == "dates" ? "" : $0.reason.dropFirst("dates".count))
    }
    let words = named { if case .levels = $0 { true } else { false } }.map {
      "\(Table.shown($0.name)) (\($0.reason)\($0.missing > 0 ? "; \($0.missing) missing" : ""))"
    }
    let left =
      columns.filter { $0.recipe == nil }.map { "\(Table.shown($0.name)) (\($0.reason))" }
      + ignored.map { "\(Table.shown($0)) (--columns)" }
    let label = labels.joined(separator: ", ")
    let what =
      classes.map { classes in
        "\(classes.count) classes, " + classes.prefix(TableReport.mostNames).map(Table.shown).joined(separator: ", ")
          + (classes.count > TableReport.mostNames ? ", …" : "")
      } ?? "a number"
    let lost = unlabelled > 0 ? ["  without a label, left out: \(unlabelled)"] : []
    let same = duplicates > 0 ? ["  equal to a record before: \(duplicates)"] : []
    return ["columns of \(name):", "  label       \(label): \(what) (\(labelReason))"]
      + list("  numbers     ", numbers) + list("  categories  ", words) + list("  dates       ", dates)
      + list("  left out    ", left) + lost + same
      + ["  another kind: --columns \"NAME: \(ColumnChoices.Kind.allCases.map(\.rawValue).joined(separator: "|"))\""]
  }
}
