internal import Schema

/// The labels of a table: what is to be predicted of each record.
struct TableLabels {
  /// Columns of the table.
  let columns: [Int]
  let target: Target
  var recipes: [LabelRecipe]
  /// The records that have all labels, in the order of the file.
  let labelled: [Int32]
  /// Why the labels are classes or numbers, and how to change that.
  let reason: String

  var positionClasses: Int? { if case .positions(_, let classes) = target { classes } else { nil } }

  /// The most classes of a column.
  static let mostClasses = 100_000

  /// Reads the label columns of `table` and decides what is to be predicted.
  ///
  /// - Parameters:
  ///   - label: columns' names or positions from 1, separated by commas; nil for the last column.
  ///   - classify: true for classes, false for numbers, nil to infer it.
  init(of table: Table, label: String?, classify: Bool?) throws {
    columns = try TableLabels.columns(label, of: table)
    let labelled = TableLabels.labelled(columns, of: table)
    guard !labelled.isEmpty else {
      throw DatasetError(
        "\(table.name): all cells of the label column \(TableLabels.names(columns, table)) are missing: choose another --label"
      )
    }
    self.labelled = labelled
    let cells = columns.map { table.columns[$0].cells }
    if cells.count > 1 {
      (target, recipes, reason) = try TableLabels.several(columns, of: table, labelled, classify)
    } else {
      (target, recipes, reason) = try TableLabels.one(columns[0], of: table, labelled, classify)
    }
  }

  /// The labels of a file as `recipes` have them.
  init(of table: Table, recipes: [LabelRecipe], target: Target) throws {
    let names = table.columns.map(\.name)
    columns = try recipes.map { recipe in
      guard let index = names.firstIndex(of: recipe.name) else {
        throw DatasetError(
          "\(table.name) has no column '\(recipe.name)', which is the model's label; its columns are "
            + Table.list(names) + suggestion(recipe.name, names))
      }
      return index
    }
    (self.recipes, self.target, reason) = (recipes, target, "")
    labelled = TableLabels.labelled(columns, of: table)
    guard !labelled.isEmpty else {
      throw DatasetError(
        "\(table.name): all cells of the label column \(TableLabels.names(columns, table)) are missing")
    }
  }

  private static func names(_ columns: [Int], _ table: Table) -> String {
    columns.map { table.columns[$0].name }.joined(separator: ", ")
  }

  static func columns(_ label: String?, of table: Table) throws -> [Int] {
    guard !table.columns.isEmpty else { throw DatasetError("\(table.name) has no columns but those that are ignored") }
    guard let label else { return [table.columns.count - 1] }
    // A name may contain a comma.
    if let index = table.columns.firstIndex(where: { $0.name == label }) { return [index] }
    let found = try label.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let name = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      guard let index = table.column(name) else {
        guard Table.column(name, among: table.names) == nil else {
          throw DatasetError("--label \(name): --columns says that this column is ignored")
        }
        throw DatasetError(
          "\(table.name) has no column '\(Table.shown(name))': its columns are \(Table.list(table.names))"
            + suggestion(name, table.names))
      }
      return index
    }
    if let twice = found.enumerated().first(where: { found[..<$0.offset].contains($0.element) }) {
      throw DatasetError("--label \(label): the column \(table.columns[twice.element].name) is given twice")
    }
    return found
  }

  private static func labelled(_ columns: [Int], of table: Table) -> [Int32] {
    let cells = columns.map { table.columns[$0].cells }
    return (0..<Int32(table.count)).filter { row in !cells.contains { $0.isMissing(Int(row)) } }
  }

  private static func several(
    _ columns: [Int], of table: Table, _ labelled: [Int32], _ classify: Bool?
  ) throws -> (Target, [LabelRecipe], String) {
    let recipes = try columns.map { index in
      guard case .numbers = table.columns[index].cells else {
        throw DatasetError(
          "\(table.name): the label column \(table.columns[index].name) has \(table.columns[index].cells.kind), and of "
            + "several labels each must be a number")
      }
      return LabelRecipe(name: table.columns[index].name)
    }
    guard classify == true else {
      return (.regression(outputs: columns.count), recipes, "\(columns.count) columns of numbers")
    }
    var largest: Float = 0
    for index in columns {
      guard case .numbers(let all) = table.columns[index].cells else { continue }
      for row in labelled {
        let value = all[Int(row)]
        guard value >= 0, value == value.rounded(), value < Float(mostClasses) else {
          throw DatasetError(
            "\(table.name), \(table.place(Int(row))), column \(table.columns[index].name): label \(OptionText.number(value)) "
              + "is no class; classes are the whole numbers from 0 (for numbers to predict, say --loss mean-squared-error)"
          )
        }
        largest = max(largest, value)
      }
    }
    return (.positions(count: columns.count, classes: max(Int(largest) + 1, 2)), recipes, "\(columns.count) columns")
  }

  private static func one(
    _ index: Int, of table: Table, _ labelled: [Int32], _ classify: Bool?
  ) throws -> (Target, [LabelRecipe], String) {
    let name = table.columns[index].name
    var recipe = LabelRecipe(name: name)
    func classes(_ reason: String) throws -> (Target, [LabelRecipe], String) {
      let names = recipe.classes ?? []
      guard names.count > 1 else {
        throw DatasetError(
          "\(table.name): all labels are '\(Table.shown(names.first ?? ""))' (column \(name)): nothing is to be learned; choose another --label"
        )
      }
      guard names.count <= mostClasses else {
        throw DatasetError("\(table.name): the label \(name) has \(names.count) classes; at most \(mostClasses) fit")
      }
      return (.classification(classes: names.count), [recipe], reason)
    }
    switch table.columns[index].cells {
    case .instants:
      throw DatasetError(
        "\(table.name): the label column \(name) has dates, which are not predicted; choose another --label")
    case .levels(let codes, let levels):
      guard classify != false else {
        throw DatasetError(
          "\(table.name): the label column \(name) has text, such as '\(Table.shown(levels.first ?? ""))', and this --loss is of numbers: "
            + "leave --loss out, or declare it as a number with --columns")
      }
      var isUsed = [Bool](repeating: false, count: levels.count)
      for row in labelled { isUsed[Int(codes[Int(row)])] = true }
      recipe.classes = levels.indices.filter { isUsed[$0] }.map { levels[$0] }
      let isNearlyUnique = 2 * (recipe.classes ?? []).count > labelled.count
      return try classes("text" + (isNearlyUnique ? ", most of it different: is it the label?" : ""))
    case .numbers(let all):
      let values = Set(labelled.lazy.map { all[Int($0)] })
      let areWhole = values.allSatisfy { $0 == $0.rounded() }
      let areIndices = areWhole && values.count <= 1000 && values.allSatisfy { $0 >= 0 && $0 < Float(values.count) }
      guard classify ?? (values.count == 2 || (areIndices && values.count > 1)) else {
        let hint =
          areWhole && values.count <= 100 && 2 * values.count <= labelled.count
          ? "; --loss cross-entropy makes classes of them" : ""
        guard values.count > 1 else {
          throw DatasetError(
            "\(table.name): all labels are \(OptionText.number(values.first ?? 0)) (column \(name)): nothing is to be learned; "
              + "choose another --label")
        }
        return (.regression(outputs: 1), [recipe], "numbers, \(values.count) different\(hint)")
      }
      let sorted = values.sorted()
      if areWhole, let large = sorted.first(where: { abs($0) >= 0x1p24 }) {
        throw DatasetError(
          "\(table.name): the label \(name) has classes such as \(OptionText.number(large)), which are too large to be told "
            + "apart as float32; say --columns \"\(name): category\"")
      }
      recipe.numbers = sorted
      let isNamed = areIndices && sorted.count == table.classNames.count
      recipe.classes = isNamed ? table.classNames : sorted.map(OptionText.number)
      let other = classify == nil ? "; --loss mean-squared-error predicts them as numbers" : ""
      return try classes((values.count == 2 ? "two different numbers" : "the whole numbers from 0 on") + other)
    }
  }

  /// Σ of the labels' squared deviations from each column's mean becomes 1 on average: labels are learned in units of
  /// their common deviation.
  mutating func scale(in table: Table, rows: [Int32]) {
    guard !target.isClassification, !rows.isEmpty else { return }
    var variation = 0.0
    for (place, index) in columns.enumerated() {
      guard case .numbers(let all) = table.columns[index].cells else { continue }
      let mean = rows.reduce(0.0) { $0 + Double(all[Int($1)]) } / Double(rows.count)
      recipes[place].mean = Float(mean)
      for row in rows {
        let difference = Double(all[Int(row)]) - mean
        variation += difference * difference
      }
    }
    let deviation = Float((variation / Double(rows.count * columns.count)).squareRoot())
    for place in recipes.indices { recipes[place].deviation = deviation > 0 && deviation.isFinite ? deviation : 1 }
  }

  /// The targets of all records; 0 where there is no label.
  func storage(of table: Table) throws -> TargetStorage {
    switch target {
    case .classification: return .classes(try classes(of: table))
    case .positions(_, let classes):
      return .classes(
        try interleaved(table).enumerated().map { place, value in
          guard !value.isNaN else { return 0 }
          guard value >= 0, value == value.rounded(), value < Float(classes) else {
            throw DatasetError(
              "\(table.name), \(table.place(place / columns.count)): label \(OptionText.number(value)) is out of range; the "
                + "training part has classes 0 to \(classes - 1)")
          }
          return Int32(value)
        })
    case .regression:
      return .values(
        try interleaved(table).enumerated().map { place, value in
          guard !value.isNaN else { return 0 }
          let recipe = recipes[place % columns.count]
          return (value - recipe.mean) / recipe.deviation
        })
    }
  }

  private func interleaved(_ table: Table) throws -> [Float] {
    var all = [Float](repeating: 0, count: table.count * columns.count)
    for (place, index) in columns.enumerated() {
      guard case .numbers(let values) = table.columns[index].cells else {
        throw DatasetError(
          "\(table.name): the label column \(table.columns[index].name) has \(table.columns[index].cells.kind), and the model "
            + "was trained on numbers")
      }
      for row in 0..<table.count { all[row * columns.count + place] = values[row] }
    }
    return all
  }

  private func classes(of table: Table) throws -> [Int32] {
    let (recipe, names) = (recipes[0], recipes[0].classes ?? [])
    func unknown(_ row: Int, _ label: String) -> DatasetError {
      DatasetError(
        "\(table.name), \(table.place(row)): label '\(Table.shown(label))' is none of the classes "
          + Table.list(names))
    }
    switch table.columns[columns[0]].cells {
    case .levels(let codes, let levels) where recipe.numbers == nil:
      let known = Dictionary(uniqueKeysWithValues: zip(names, 0 as Int32..<Int32(names.count)))
      let places = levels.map { known[$0] }
      return try codes.enumerated().map { row, code in
        guard code >= 0 else { return 0 }
        guard let place = places[Int(code)] else { throw unknown(row, levels[Int(code)]) }
        return place
      }
    case .numbers(let all) where recipe.numbers != nil:
      let known = Dictionary(uniqueKeysWithValues: zip(recipe.numbers!, 0 as Int32..<Int32(names.count)))
      return try all.enumerated().map { row, value in
        guard !value.isNaN else { return 0 }
        guard let place = known[value] else { throw unknown(row, OptionText.number(value)) }
        return place
      }
    case let cells:
      throw DatasetError(
        "\(table.name): the label column \(recipe.name) has \(cells.kind), and the model was trained on "
          + (recipe.numbers == nil ? "text" : "numbers"))
    }
  }
}

extension Table.Cells {
  func isMissing(_ row: Int) -> Bool {
    switch self {
    case .numbers(let all): all[row].isNaN
    case .instants(let all): all[row] == Table.missingInstant
    case .levels(let codes, _): codes[row] < 0
    }
  }
}
