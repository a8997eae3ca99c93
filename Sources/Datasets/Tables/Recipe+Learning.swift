internal import Foundation
internal import Kernels

/// What a column was found to be, for reports.
package struct ColumnFinding: Equatable, Sendable {
  package var name: String
  /// What is made of it; nil if it is left out.
  package var recipe: ColumnRecipe?
  /// Why, as a phrase: "text", "9 levels", "row numbers".
  package var reason: String
  /// Missing cells in the training part.
  package var missing: Int
  /// Its numbers further than three interquartile ranges from the quartiles (Tukey, "Exploratory Data Analysis", 1977).
  package var outliers = 0
}

extension Recipe {
  /// The most levels of a column that have a feature each; columns with more have an index.
  static let mostFeatures = 9
  /// The most levels of a column. Of more, the most frequent are kept.
  static let mostLevels = 10_000

  /// Learns the columns' recipes from the records `rows` of `table`, which must be the training part. The result does not
  /// depend on the number of cores.
  ///
  /// - Parameters:
  ///   - excluded: columns that are no features, with the reason.
  ///   - isRobust: whether numbers are scaled by median and quartiles.
  ///   - keepsIdentifiers: whether numbers are features that only tell records apart.
  ///   - decimal: the decimal separator of the file.
  /// - Throws: ``DatasetError`` if a choice does not suit its column.
  static func learn(
    from table: Table, rows: [Int32], excluding excluded: [Int: String], _ choices: ColumnChoices, isRobust: Bool,
    keepsIdentifiers: Bool = false, decimal: UInt8 = UInt8(ascii: ".")
  ) throws -> [ColumnFinding] {
    let names = table.columns.map(\.name)
    let kinds = try choices.kinds(of: table, excluding: excluded)
    let columns = table.columns.indices.filter { excluded[$0] != "" }
    var findings = [Result<ColumnFinding, any Error>?](repeating: nil, count: columns.count)
    findings.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      DispatchQueue.concurrentPerform(iterations: columns.count) { place in
        let index = columns[place]
        results[place] = Result {
          if let reason = excluded[index] {
            return ColumnFinding(name: names[index], recipe: nil, reason: reason, missing: 0)
          }
          let learner = ColumnLearner(
            table: table, index: index, rows: rows, isRobust: isRobust, keepsIdentifiers: keepsIdentifiers,
            decimal: decimal)
          return try learner.finding(kinds[index])
        }
      }
    }
    return try findings.map { try $0!.get() }
  }
}

/// Learns the recipe of one column.
private struct ColumnLearner {
  let table: Table
  let index: Int
  let rows: [Int32]
  let isRobust: Bool
  let keepsIdentifiers: Bool
  let decimal: UInt8

  private var name: String { table.columns[index].name }

  func finding(_ choice: ColumnChoices.Kind?) throws -> ColumnFinding {
    if choice == .ignore { return finding(nil, "--columns", missing: 0) }
    return switch table.columns[index].cells {
    case .numbers(let all): try numbers(all, choice)
    case .instants(let all): instants(all)
    case .levels(let codes, let levels): words(codes, levels, isChosen: choice != nil)
    }
  }

  private func finding(_ encoding: ColumnRecipe.Encoding?, _ reason: String, missing: Int) -> ColumnFinding {
    ColumnFinding(
      name: name, recipe: encoding.map { ColumnRecipe(name: name, encoding: $0) }, reason: reason, missing: missing)
  }

  // MARK: Numbers

  private func numbers(_ all: [Float], _ choice: ColumnChoices.Kind?) throws -> ColumnFinding {
    var sorted = Array(rows.lazy.map { all[Int($0)] }.filter { !$0.isNaN })
    let missing = rows.count - sorted.count
    guard let first = sorted.first else { return finding(nil, "all cells are missing", missing: missing) }
    guard !sorted.allSatisfy({ $0 == first }) || choice != nil else {
      return finding(nil, "all cells are \(OptionText.number(first))", missing: missing)
    }
    if choice == nil, !keepsIdentifiers, let reason = identifier(all, sorted) {
      return finding(nil, reason, missing: missing)
    }
    if choice == .log1p, let row = rows.first(where: { all[Int($0)] <= -1 }) {
      throw DatasetError(
        "\(table.name), \(table.place(Int(row))), column \(name): log1p of \(all[Int(row)]) does not exist; its numbers "
          + "must be above -1")
    }
    sorted = sorted.ascending
    let isFew = choice == nil && sorted.count >= 100 && sorted.allSatisfy { $0 == $0.rounded() }
    if isFew, let levels = fewLevels(sorted) {
      let recipe = LevelsRecipe(
        levels: levels.map(OptionText.number), numbers: levels, hasMissing: missing > 0)
      return finding(.levels(recipe), "whole numbers, \(levels.count) levels", missing: missing)
    }
    var recipe = NumberRecipe(median: sorted.quantile(0.5), hasMissing: missing > 0)
    switch choice {
    case .log1p: recipe.transform = .log1p
    case .quantile: recipe.transform = normalScores(sorted)
    default: if isRobust { recipe.transform = robust(sorted) }
    }
    var finding = finding(.number(recipe), "numbers", missing: missing)
    finding.outliers = sorted.outliers
    return finding
  }

  /// Why the numbers only tell records apart; nil if they may say more.
  private func identifier(_ all: [Float], _ present: [Float]) -> String? {
    guard rows.count >= 10, present.allSatisfy({ $0 == $0.rounded() }) else { return nil }
    let inOrder = rows.sorted().map { all[Int($0)] }
    // The other parts have the rest, and the file may lack some.
    let ascend = zip(inOrder, inOrder.dropFirst()).allSatisfy { $0 < $1 }
    if ascend, inOrder[inOrder.count - 1] - inOrder[0] < 2 * Float(all.count) { return "row numbers" }
    let lower = name.lowercased()
    let isNamed =
      ["id", "index", "rowid", "rownames", "rownum", "unnamed: 0", "column \(index + 1)"].contains(lower)
      || lower.hasSuffix("_id")
      || lower.hasSuffix(" id") || name.hasSuffix("Id") || name.hasSuffix("ID")
    // Some records may be there twice.
    let different = Set(present).count
    guard isNamed, 10 * different >= 9 * rows.count else { return nil }
    return different == rows.count ? "identifiers, all different" : "identifiers, \(different) different"
  }

  /// The different ones of `sorted`, if there are 3 to 5.
  private func fewLevels(_ sorted: [Float]) -> [Float]? {
    var levels: [Float] = []
    for value in sorted where value != levels.last {
      levels.append(value)
      if levels.count > 5 { return nil }
    }
    return levels.count >= 3 ? levels : nil
  }

  private func robust(_ sorted: [Float]) -> NumberRecipe.Transform {
    let spread = Double(sorted.quantile(0.75)) - Double(sorted.quantile(0.25))
    let range = (Double(sorted[sorted.count - 1]) - Double(sorted[0])) / 2
    let factor = Float(1 / (spread > 0 ? spread : range))
    return .robust(center: sorted.quantile(0.5), factor: factor.isFinite ? factor : 0)
  }

  /// Points (quantile, normal score) of at most 1,000 places. Equal quantiles have the mean of their places.
  private func normalScores(_ sorted: [Float]) -> NumberRecipe.Transform {
    let count = min(1000, sorted.count)
    var (x, places): ([Float], [(first: Double, last: Double)]) = ([], [])
    for point in 0..<count {
      let share = count > 1 ? Double(point) / Double(count - 1) : 0.5
      let value = sorted.quantile(share)
      if value == x.last {
        places[places.count - 1].last = share
      } else {
        x.append(value)
        places.append((share, share))
      }
    }
    let margin = 0.5 / Double(sorted.count)
    return .quantile(
      x: x, y: places.map { Float(normalQuantile(min(max(($0.first + $0.last) / 2, margin), 1 - margin))) })
  }

  // MARK: Dates

  private func instants(_ all: [Int64]) -> ColumnFinding {
    let sorted = rows.lazy.map { all[Int($0)] }.filter { $0 != Table.missingInstant }.sorted()
    let missing = rows.count - sorted.count
    guard let first = sorted.first, let last = sorted.last else {
      return finding(nil, "all cells are missing", missing: missing)
    }
    guard first < last else { return finding(nil, "all cells are equal", missing: missing) }
    let parts = DateRecipe.Part.allCases.filter { part in
      let value = part.value(of: first, since: first)
      return sorted.contains { part.value(of: $0, since: first) != value }
    }
    let recipe = DateRecipe(
      origin: first, parts: parts, median: sorted[(sorted.count - 1) / 2], hasMissing: missing > 0,
      isDayFirst: table.columns[index].isDayFirst)
    let order = recipe.isDayFirst.map { $0 ? ", the day before the month" : ", the month before the day" } ?? ""
    return finding(.date(recipe), "dates\(order)", missing: missing)
  }

  // MARK: Words

  private func words(_ codes: [Int32], _ levels: [String], isChosen: Bool) -> ColumnFinding {
    var counts = [Int](repeating: 0, count: levels.count)
    var missing = 0
    for row in rows {
      let code = Int(codes[Int(row)])
      if code < 0 { missing += 1 } else { counts[code] += 1 }
    }
    let present = rows.count - missing
    let used = counts.indices.filter { counts[$0] > 0 }
    guard !used.isEmpty else { return finding(nil, "all cells are missing", missing: missing) }
    guard used.count > 1 || missing > 0 || isChosen else {
      return finding(nil, "all cells are '\(Table.shown(levels[used[0]]))'", missing: missing)
    }
    let text = isChosen ? "text" : "text\(mostlyNumbers(codes, levels, present) ?? "")"
    let hint =
      !isChosen && decimal != UInt8(ascii: ",") && areNumbers(levels, decimal: UInt8(ascii: ","))
      ? "; --decimal , reads numbers" : ""
    if !isChosen, used.count > 20, 10 * used.count > 9 * present {
      return finding(
        nil,
        used.count == present
          ? "\(text), all different\(hint)" : "\(text), \(used.count) different in \(present) cells\(hint)",
        missing: missing)
    }
    guard used.count > Recipe.mostFeatures else {
      let recipe = LevelsRecipe(levels: used.map { levels[$0] }, hasMissing: missing > 0)
      return finding(.levels(recipe), "\(text), \(used.count) levels", missing: missing)
    }
    // A level of a single record says no more than one that was never seen.
    var kept = used.filter { counts[$0] > 1 }
    if kept.count > Recipe.mostLevels {
      kept.sort { (counts[$1], $0) < (counts[$0], $1) }
      kept = kept.prefix(Recipe.mostLevels).sorted()
    }
    guard !kept.isEmpty || missing > 0 else { return finding(nil, "\(text), all different", missing: missing) }
    let recipe = LevelsRecipe(levels: kept.map { levels[$0] }, hasMissing: missing > 0, isEmbedded: true)
    let rare = used.count - kept.count
    return finding(
      .levels(recipe),
      "\(text), \(kept.count) levels, a learned vector each\(rare > 0 ? ", and one for \(rare) rare ones" : "")",
      missing: missing)
  }

  private func areNumbers(_ levels: [String], decimal: UInt8) -> Bool {
    levels.allSatisfy { isNumber($0, decimal: decimal) }
  }

  private func isNumber(_ text: String, decimal: UInt8) -> Bool {
    var text = text
    return text.withUTF8 { if case .number = CellText(decimal: decimal).reading(of: $0) { true } else { false } }
  }

  /// For words of which most are numbers, the first that is none; nil if fewer are.
  private func mostlyNumbers(_ codes: [Int32], _ levels: [String], _ present: Int) -> String? {
    let areNumbers = levels.map { isNumber($0, decimal: decimal) }
    let others = rows.filter { codes[Int($0)] >= 0 && !areNumbers[Int(codes[Int($0)])] }
    guard let first = others.min().map({ Int($0) }), 10 * others.count < present else { return nil }
    return " because of '\(Table.shown(levels[Int(codes[first])]))' in \(table.place(first))"
      + (others.count > 1 ? " and \(others.count - 1) more" : "")
  }
}

extension [Float] {
  /// The quantile `share` of ascending numbers by linear interpolation, as NumPy has it.
  func quantile(_ share: Double) -> Float {
    let place = share * Double(count - 1)
    let low = Int(place)
    let (a, b) = (Double(self[low]), Double(self[Swift.min(low + 1, count - 1)]))
    return Float(a + (b - a) * (place - Double(low)))
  }

  /// How many of ascending numbers lie further than three interquartile ranges from the quartiles.
  var outliers: Int {
    guard count >= 4 else { return 0 }
    let (lower, upper) = (Double(quantile(0.25)), Double(quantile(0.75)))
    let reach = 3 * (upper - lower)
    return reach > 0 ? count { Double($0) < lower - reach || Double($0) > upper + reach } : 0
  }
}

/// The inverse of the standard normal distribution (P. Acklam's approximation, relative error below 1.2 · 10⁻⁹). The same
/// bits on every processor.
func normalQuantile(_ share: Double) -> Double {
  func ratio(_ x: Double, _ a: [Double], _ b: [Double]) -> Double {
    a.reduce(0) { $0 * x + $1 } / (b.reduce(0) { $0 * x + $1 } * x + 1)
  }
  let tail = 0.02425
  guard share >= tail && share <= 1 - tail else {
    let q = (-2 * Elementary.logarithm(min(share, 1 - share))).squareRoot()
    let value = ratio(
      q,
      [
        -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00,
        4.374664141464968e+00, 2.938163982698783e+00,
      ], [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00])
    return share < 0.5 ? value : -value
  }
  let q = share - 0.5
  return q
    * ratio(
      q * q,
      [
        -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
        -3.066479806614716e+01, 2.506628277459239e+00,
      ],
      [
        -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
        -1.328068155288572e+01,
      ])
}

/// Numbers as users write them.
enum OptionText {
  /// Without a fraction if there is none.
  static func number(_ value: Float) -> String {
    value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
  }
}
