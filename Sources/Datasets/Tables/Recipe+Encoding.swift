internal import Foundation
internal import Kernels
internal import Schema

extension Recipe {
  /// The records of `table` as examples without labels.
  ///
  /// - Throws: as ``features(of:)``.
  package func examples(of table: Table) throws -> Examples {
    Examples(
      Dataset(
        count: table.count, features: .floats(try features(of: table)), shape: [features.count], targets: .values([]),
        targetCount: 0))
  }

  /// How many cells of each column have a level that the training part did not have.
  package func unseen(in table: Table) -> [String: Int] {
    var unseen: [String: Int] = [:]
    for column in columns {
      guard case .levels(let recipe) = column.encoding,
        let cells = table.columns.first(where: { $0.name == column.name })?.cells
      else { continue }
      let count: Int
      switch cells {
      case .levels(let codes, let levels):
        let known = Set(recipe.levels)
        let isKnown = levels.map { known.contains($0) }
        count = codes.count { $0 >= 0 && !isKnown[Int($0)] }
      case .numbers(let all):
        let known = Set(recipe.numbers ?? [])
        count = all.count { !$0.isNaN && !known.contains($0) }
      case .instants: continue
      }
      if count > 0 { unseen[column.name] = count }
    }
    return unseen
  }

  /// The features of all records of `table`: count × features, example after example, not scaled.
  ///
  /// - Throws: ``DatasetError`` if a column is missing or a cell does not suit its recipe.
  func features(of table: Table) throws -> [Float] {
    let width = features.count
    let encoders = try encoders(for: table)
    let count = table.count
    let parts = min(max(count / 4096, 1), 64)
    return [Float](unsafeUninitializedCapacity: count * width) { buffer, filled in
      nonisolated(unsafe) let output = buffer
      DispatchQueue.concurrentPerform(iterations: parts) { part in
        let rows = part * count / parts..<(part + 1) * count / parts
        for encoder in encoders { encoder.encode(rows, into: output, width: width) }
      }
      filled = count * width
    }
  }

  private func encoders(for table: Table) throws -> [ColumnEncoder] {
    // Without the label, the positions are the same if it is the last column.
    if let unnamedColumns, !table.hasNames, table.names.count != unnamedColumns {
      let label = labels.compactMap { Int($0.name) }
      guard label == [unnamedColumns], table.names.count == unnamedColumns - 1 else {
        throw DatasetError(
          "\(table.name) has \(table.names.count) columns without names, and the model was trained on a file of "
            + "\(unnamedColumns), whose column \(labels.map(\.name).joined(separator: ", ")) is the label")
      }
    }
    let indices = Dictionary(zip(table.columns.map(\.name), table.columns.indices)) { first, _ in first }
    var place = 0
    return try columns.map { recipe in
      guard let index = indices[recipe.name] else {
        throw DatasetError(
          "\(table.name) has no column '\(recipe.name)', which the model was trained on; its columns are "
            + Table.list(table.names) + suggestion(recipe.name, table.names))
      }
      defer { place += recipe.features.count }
      return try ColumnEncoder(recipe, table, column: index, at: place)
    }
  }
}

/// Writes the features of one column.
private struct ColumnEncoder: Sendable {
  private enum Source: Sendable {
    case numbers([Float], NumberRecipe)
    case instants([Int64], DateRecipe)
    /// The place of each cell; −1 for a level that the recipe does not have.
    case places([Int32], LevelsRecipe)
  }

  private let source: Source
  private let start: Int

  init(_ recipe: ColumnRecipe, _ table: Table, column: Int, at start: Int) throws {
    self.start = start
    switch (recipe.encoding, table.columns[column].cells) {
    case (.number(let recipe), .numbers(let all)):
      if recipe.transform == .log1p, let row = all.firstIndex(where: { $0 <= -1 }) {
        throw DatasetError(
          "\(table.name), \(table.place(row)), column \(table.columns[column].name): log1p of \(all[row]) does not exist; "
            + "its numbers must be above -1")
      }
      source = .numbers(all, recipe)
    case (.date(let recipe), .instants(let all)): source = .instants(all, recipe)
    case (.levels(let recipe), .numbers(let all)) where recipe.numbers != nil:
      let known = Dictionary(uniqueKeysWithValues: zip(recipe.numbers!, 0 as Int32..<Int32(recipe.levels.count)))
      let missing = recipe.hasMissing ? Int32(recipe.levels.count) : -1
      source = .places(all.map { $0.isNaN ? missing : known[$0] ?? -1 }, recipe)
    case (.levels(let recipe), .levels(let codes, let levels)) where recipe.numbers == nil:
      let known = Dictionary(uniqueKeysWithValues: zip(recipe.levels, 0 as Int32..<Int32(recipe.levels.count)))
      let missing = recipe.hasMissing ? Int32(recipe.levels.count) : -1
      let places = levels.map { known[$0] ?? -1 }
      source = .places(codes.map { $0 < 0 ? missing : places[Int($0)] }, recipe)
    case (_, let cells):
      // A file without a single cell of the column has no type of its own.
      guard case .numbers(let all) = cells, all.allSatisfy(\.isNaN) else {
        throw DatasetError(
          "\(table.name): the column \(recipe.name) has \(cells.kind), and the model was trained on "
            + recipe.encoding.kind)
      }
      source =
        switch recipe.encoding {
        case .number(let recipe): .numbers(all, recipe)
        case .date(let recipe): .instants(all.map { _ in Table.missingInstant }, recipe)
        case .levels(let recipe): .places(all.map { _ in recipe.hasMissing ? Int32(recipe.levels.count) : -1 }, recipe)
        }
    }
  }

  func encode(_ rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>, width: Int) {
    switch source {
    case .numbers(let all, let recipe):
      for row in rows {
        let (place, isMissing) = (row * width + start, all[row].isNaN)
        output[place] = recipe.transform(isMissing ? recipe.median : all[row])
        if recipe.hasMissing { output[place + 1] = isMissing ? 1 : 0 }
      }
    case .instants(let all, let recipe):
      for row in rows {
        let (place, isMissing) = (row * width + start, all[row] == Table.missingInstant)
        let instant = isMissing ? recipe.median : all[row]
        for (index, part) in recipe.parts.enumerated() {
          output[place + index] = Float(part.value(of: instant, since: recipe.origin))
        }
        if recipe.hasMissing { output[place + recipe.parts.count] = isMissing ? 1 : 0 }
      }
    case .places(let all, let recipe):
      let features = recipe.places
      for row in rows {
        let place = row * width + start
        if recipe.isEmbedded {
          output[place] = Float(all[row] + 1)
        } else {
          for index in 0..<features { output[place + index] = Int(all[row]) == index ? 1 : 0 }
        }
      }
    }
  }
}

extension NumberRecipe.Transform {
  func callAsFunction(_ value: Float) -> Float {
    switch self {
    case .none: return value
    case .log1p: return Float(Elementary.logarithm(1 + Double(value)))
    case .robust(let center, let factor):
      let z = (value - center) * factor
      let share = z / 3
      // The square of a large share would be infinite.
      guard abs(share) < 1e9 else { return share < 0 ? -3 : 3 }
      return z / (1 + share * share).squareRoot()
    case .quantile(let x, let y):
      guard value > x[0] else { return y[0] }
      guard value < x[x.count - 1] else { return y[y.count - 1] }
      var (low, high) = (0, x.count - 1)
      while high - low > 1 {
        let middle = (low + high) / 2
        if x[middle] <= value { low = middle } else { high = middle }
      }
      return y[low] + (y[high] - y[low]) * ((value - x[low]) / (x[high] - x[low]))
    }
  }
}

extension NumberRecipe {
  fileprivate func transform(_ value: Float) -> Float { transform.callAsFunction(value) }
}

extension DateRecipe.Part {
  /// The part of a time in seconds since 1970, by the Gregorian calendar in UTC. Days of the week count from Monday, 0.
  func value(of instant: Int64, since origin: Int64) -> Int64 {
    if self == .seconds { return instant.subtractingReportingOverflow(origin).partialValue }
    let (days, seconds) = CivilDate.split(instant)
    switch self {
    case .hour: return seconds / 3600
    case .weekday: return (days % 7 + 10) % 7
    default: break
    }
    let date = CivilDate(days: days)
    return switch self {
    case .year: date.year
    case .month: date.month
    default: date.day
    }
  }
}

extension Table.Cells {
  var type: ColumnType {
    switch self {
    case .numbers: .number
    case .instants: .date
    case .levels: .category
    }
  }

  var kind: String {
    switch self {
    case .numbers: "numbers"
    case .instants: "dates"
    case .levels: "text"
    }
  }
}

extension ColumnRecipe.Encoding {
  var kind: String {
    switch type {
    case .number: "numbers"
    case .date: "dates"
    case .category: "text"
    }
  }
}
