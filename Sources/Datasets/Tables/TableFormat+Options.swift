internal import Schema

extension TableFormat {
  /// - Parameters:
  ///   - options: of a source.
  ///   - recipe: of a run or a model that the file is read for; nil if a recipe is learned from it.
  init(_ options: OptionValues, isFormer: Bool, recipe: Recipe?) throws {
    self.isFormer = isFormer
    if let given = options.values["decimal"]?.description ?? recipe?.decimal, let byte = given.utf8.first {
      decimal = byte
    }
    let choices = try ColumnChoices.reading(options.values["columns"]?.description ?? "")
    for (name, kind) in choices.choices {
      if let type = kind.type { types[name] = type } else { ignored.insert(name) }
    }
    let label = options.values["label"]?.description
    let labels = label.map { [$0] + $0.split(separator: ",").map(String.init) } ?? []
    named = Set(
      choices.choices.map(\.name) + labels + ["group-by", "time"].compactMap { options.values[$0]?.description })
    (group, time) = (options.values["group-by"]?.description, options.values["time"]?.description)
    if recipe != nil { (reason, wanted) = (", and the model was trained on them", ", which the model was trained on") }
    if let recipe { declare(recipe) }
    for label in recipe?.labels ?? [] { types[label.name] = label.type }
  }
}

extension Table {
  /// All columns as numbers, for jobs of earlier versions.
  func numbers(label: String?) throws -> DataTable {
    guard count > 0 else { throw DatasetError("\(name) has no records") }
    guard columns.count > 1 else {
      throw DatasetError("\(name) has one column; a label and at least one feature are needed")
    }
    let labels = try TableLabels.columns(label, of: self)
    guard labels.count < columns.count else {
      throw DatasetError("\(name): all its \(columns.count) columns are labels; at least one feature is needed")
    }
    let features = columns.indices.filter { !labels.contains($0) }
    func values(_ chosen: [Int]) throws -> [Float] {
      var all = [Float](repeating: 0, count: count * chosen.count)
      for (place, index) in chosen.enumerated() {
        guard case .numbers(let cells) = columns[index].cells else {
          throw DatasetError("\(name): the column \(columns[index].name) has \(columns[index].cells.kind), not numbers")
        }
        for row in 0..<count { all[row * chosen.count + place] = cells[row] }
      }
      return all
    }
    let (file, names) = (name, labels.map { "\($0 + 1) (\(columns[$0].name))" })
    return DataTable(
      name: name, count: count, features: .floats(try values(features)), shape: [features.count],
      targets: try values(labels), targetCount: labels.count,
      place: { "\(file), record \($0 / names.count + 1), column \(names[$0 % names.count])" })
  }
}
