internal import Foundation
internal import Kernels
internal import Schema

/// How the records of a table become numbers. Learned from the training part; saved with the model, and the same for all
/// workers.
///
/// A recipe is applied to every record alone, so that predictions need no other records.
package struct Recipe: Codable, Equatable, Sendable {
  /// The present rules of ``learned(from:rows:_:)``. A job of an earlier version has 0: all columns are numbers.
  package static let version = 1

  /// The columns that features are made of, in the order of the file.
  package var columns: [ColumnRecipe]
  /// The columns that are predicted, in the order in which they were named.
  package var labels: [LabelRecipe]
  /// The decimal separator of the file, `.` or `,`.
  package var decimal: String
  /// The number of columns of the file, if it has no names for them; nil otherwise.
  package var unnamedColumns: Int?
  /// The classes of each label, if there are several labels that are classes; otherwise nil.
  package var positionClasses: Int?

  /// What a feature is.
  package struct Feature: Equatable, Sendable {
    /// Such as `age`, `sex=female` or `date.year`.
    package var name: String
    /// Whether it is measured in units, so that `--scale` applies; false for zeros and ones, and indices of levels.
    package var isScaled: Bool
    /// The number of vectors, if it is the index of a vector that the model learns; nil otherwise.
    package var vectors: Int?
  }

  /// The features of all columns, in their order.
  package var features: [Feature] { columns.flatMap(\.features) }

  /// Its JSON with sorted keys: equal for equal recipes.
  package var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }

  /// SHA-256 of ``json``, in hex.
  package var digest: String {
    get throws {
      var hash = SHA256()
      hash.update(try json)
      return hash.digest.hex
    }
  }

  /// Reads ``json``.
  ///
  /// - Throws: ``DatasetError`` if it is no recipe.
  package init(json: String) throws {
    do {
      self = try JSONDecoder().decode(Recipe.self, from: Data(json.utf8))
    } catch {
      throw DatasetError("the recipe of the data cannot be read: \(error)")
    }
    try check()
  }

  package init(
    columns: [ColumnRecipe], labels: [LabelRecipe], decimal: String = ".", unnamedColumns: Int? = nil,
    positionClasses: Int? = nil
  ) {
    (self.columns, self.labels, self.decimal) = (columns, labels, decimal)
    (self.unnamedColumns, self.positionClasses) = (unnamedColumns, positionClasses)
  }

  /// What is predicted.
  package var target: Target {
    if let positionClasses { return .positions(count: labels.count, classes: positionClasses) }
    return labels[0].classes.map { .classification(classes: $0.count) } ?? .regression(outputs: labels.count)
  }

  /// - Throws: ``DatasetError`` if a number is not finite or lists contradict each other.
  package func check() throws {
    for column in columns {
      if let flaw = column.encoding.flaw { throw DatasetError("the recipe of column \(column.name) has \(flaw)") }
    }
    for label in labels {
      if let flaw = label.flaw { throw DatasetError("the recipe of the label \(label.name) has \(flaw)") }
    }
    guard !columns.isEmpty, !labels.isEmpty else {
      throw DatasetError("the recipe of the data has no column or no label")
    }
    let names = columns.map(\.name) + labels.map(\.name)
    guard Set(names).count == names.count else { throw DatasetError("the recipe of the data has a column twice") }
    guard decimal == "." || decimal == "," else {
      throw DatasetError("the recipe of the data has the decimal separator '\(Table.shown(decimal))'")
    }
    let classes = 2...TableLabels.mostClasses
    guard labels.count == 1 || labels.allSatisfy({ $0.classes == nil }),
      positionClasses.map({ labels.count > 1 && classes.contains($0) }) ?? true
    else { throw DatasetError("the recipe of the data has classes that contradict each other") }
  }
}

/// How a column becomes features.
package struct ColumnRecipe: Codable, Equatable, Sendable {
  package var name: String
  package var encoding: Encoding

  /// As JSON, an object whose only key is the case.
  package enum Encoding: Equatable, Sendable {
    case number(NumberRecipe)
    case date(DateRecipe)
    case levels(LevelsRecipe)
  }
}

extension ColumnRecipe.Encoding: Codable {
  private enum CodingKeys: String, CodingKey { case number, date, levels }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    switch container.allKeys.first {
    case .number where container.allKeys.count == 1:
      self = .number(try container.decode(NumberRecipe.self, forKey: .number))
    case .date where container.allKeys.count == 1: self = .date(try container.decode(DateRecipe.self, forKey: .date))
    case .levels where container.allKeys.count == 1:
      self = .levels(try container.decode(LevelsRecipe.self, forKey: .levels))
    default:
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath, debugDescription: "one of number, date and levels is needed"))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .number(let recipe): try container.encode(recipe, forKey: .number)
    case .date(let recipe): try container.encode(recipe, forKey: .date)
    case .levels(let recipe): try container.encode(recipe, forKey: .levels)
    }
  }
}

/// A number: one feature, and a second one that is 1 where it is missing.
package struct NumberRecipe: Codable, Equatable, Sendable {
  /// Replaces a missing cell: the median of the training part.
  package var median: Float
  /// Whether a cell of the training part is missing, so that there is the second feature.
  package var hasMissing = false
  package var transform = Transform.none

  package enum Transform: Codable, Equatable, Sendable {
    case none
    /// log(1 + x).
    case log1p
    /// The piecewise linear function through the points (x, y), constant outside of them. x ascends.
    case quantile(x: [Float], y: [Float])
    /// z = (x − center) · factor, then z / √(1 + (z / 3)²), which stays within ±3 (skrub's `SquashingScaler`).
    case robust(center: Float, factor: Float)
  }
}

/// A date: a feature for each of some parts of it, and one that is 1 where it is missing.
package struct DateRecipe: Codable, Equatable, Sendable {
  /// The seconds since 1970 that ``Part/seconds`` counts from.
  package var origin: Int64
  package var parts: [Part]
  /// Replaces a missing date.
  package var median: Int64
  package var hasMissing = false
  /// Whether days precede months in dates such as 01/02/2024; nil if the training part has others.
  package var isDayFirst: Bool?

  package enum Part: String, Codable, CaseIterable, Sendable {
    case year, month, day, weekday, hour, seconds
  }
}

/// A word of a list: a feature for each, which is 1 for that word, or the index of a vector that the model learns.
package struct LevelsRecipe: Codable, Equatable, Sendable {
  /// The words of the training part, in the order of their bytes; of numbers, in theirs. A word that is not among them
  /// has zeros or vector 0.
  package var levels: [String]
  /// The levels as numbers, if the cells are numbers.
  package var numbers: [Float]?
  /// Whether a cell of the training part is missing, which then counts as a word more, after the others.
  package var hasMissing = false
  /// Whether its feature is the index of a vector.
  package var isEmbedded = false

  var places: Int { levels.count + (hasMissing ? 1 : 0) }
}

/// A column that is predicted.
package struct LabelRecipe: Codable, Equatable, Sendable {
  package var name: String
  /// The classes' names, in the order of their indices; nil for a number.
  package var classes: [String]?
  /// The cells of the classes as numbers, if they are numbers.
  package var numbers: [Float]?
  /// A number is learned as (number − mean) / deviation. The deviation is that of all labels.
  package var mean: Float = 0
  package var deviation: Float = 1

  /// How cells are read.
  package var type: ColumnType { classes != nil && numbers == nil ? .category : .number }
}

extension ColumnRecipe {
  package var features: [Recipe.Feature] {
    func feature(_ suffix: String, isScaled: Bool = false, vectors: Int? = nil) -> Recipe.Feature {
      Recipe.Feature(name: name + suffix, isScaled: isScaled, vectors: vectors)
    }
    func missing(_ isPresent: Bool) -> [Recipe.Feature] { isPresent ? [feature("=missing")] : [] }
    switch encoding {
    case .number(let number):
      let isScaled =
        switch number.transform {
        case .none, .log1p: true
        case .quantile, .robust: false
        }
      return [feature("", isScaled: isScaled)] + missing(number.hasMissing)
    case .date(let date):
      return date.parts.map { feature(".\($0.rawValue)", isScaled: true) } + missing(date.hasMissing)
    case .levels(let levels):
      guard !levels.isEmbedded else { return [feature("", vectors: levels.places + 1)] }
      return levels.levels.map { feature("=\($0)") } + missing(levels.hasMissing)
    }
  }
}

extension ColumnRecipe.Encoding {
  /// How cells are read.
  package var type: ColumnType {
    switch self {
    case .number: .number
    case .date: .date
    case .levels(let levels): levels.numbers == nil ? .category : .number
    }
  }

  /// What becomes of the column, as a phrase.
  package var summary: String {
    func missing(_ isPresent: Bool) -> String { isPresent ? ", or missing" : "" }
    switch self {
    case .number(let number):
      let transform =
        switch number.transform {
        case .none: "a number"
        case .log1p: "log1p of a number"
        case .quantile: "the quantile of a number"
        case .robust: "a number, robust"
        }
      return transform + missing(number.hasMissing)
    case .date(let date):
      return "a date: \(date.parts.map(\.rawValue).joined(separator: ", "))" + missing(date.hasMissing)
    case .levels(let levels) where levels.isEmbedded: return "a learned vector for each of \(levels.places) levels"
    case .levels(let levels):
      return "one of " + levels.levels.map(Table.shown).joined(separator: ", ") + missing(levels.hasMissing)
    }
  }

  /// What contradicts itself, as a phrase; nil if nothing does.
  fileprivate var flaw: String? {
    switch self {
    case .number(let number):
      guard number.median.isFinite else { return "a median that is not finite" }
      switch number.transform {
      case .none: return nil
      case .log1p: return number.median > -1 ? nil : "a median of \(number.median), whose log1p does not exist"
      case .robust(let center, let factor):
        return center.isFinite && factor.isFinite ? nil : "a scale that is not finite"
      case .quantile(let x, let y):
        let ascends = zip(x, x.dropFirst()).allSatisfy { $0 < $1 }
        guard !x.isEmpty, x.count == y.count, ascends, (x + y).allSatisfy(\.isFinite) else {
          return "quantiles that do not ascend"
        }
        return nil
      }
    case .date(let date):
      let range = -(1 << 60)...(1 << 60) as ClosedRange<Int64>
      return range.contains(date.origin) && range.contains(date.median) ? nil : "a date out of range"
    case .levels(let levels):
      let (words, numbers) = (levels.levels, levels.numbers)
      let isOrdered =
        numbers.map { $0.count == words.count && zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } }
        ?? zip(words, words.dropFirst()).allSatisfy { $0.precedes($1) }
      // Texts may be equal in other bytes.
      guard isOrdered, Set(words).count == words.count else { return "levels that are not in order" }
      return words.count <= Recipe.mostLevels || levels.isEmbedded ? nil : "\(words.count) levels"
    }
  }
}

extension LabelRecipe {
  /// What contradicts itself, as a phrase; nil if nothing does.
  fileprivate var flaw: String? {
    guard mean.isFinite, deviation.isFinite, deviation > 0 else { return "the deviation \(deviation)" }
    guard let classes else { return numbers == nil ? nil : "numbers of classes, and no classes" }
    guard (2...TableLabels.mostClasses).contains(classes.count) else { return "\(classes.count) classes" }
    guard let numbers else { return Set(classes).count == classes.count ? nil : "a class twice" }
    let ascends = zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
    return numbers.count == classes.count && ascends ? nil : "numbers of classes that are not in order"
  }
}

extension String {
  /// Whether its bytes come before those of `other`. Swift's own order depends on Unicode's normal forms.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
