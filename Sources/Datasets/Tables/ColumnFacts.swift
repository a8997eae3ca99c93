internal import Foundation

/// What the cells of a column are like, over all records.
package struct ColumnFacts: Sendable {
  package var name: String
  /// "numbers", "dates" or "text".
  package var kind: String
  package var missing: Int
  /// Different cells, those that are missing not counted.
  package var levels: Int
  /// The smallest and the largest cell, as text; nil if all are missing. Of words, the most frequent ones.
  package var range: String
  /// The third standardized moment of numbers; nil for others, and if all are equal.
  package var skew: Double?
  /// How many cells lie in each tenth of the range, or are each of the ten most frequent words.
  package var histogram: [Int]
  /// Whether all are numbers above −1, so that log1p exists.
  package var isAboveMinusOne = false
  /// Numbers further than three interquartile ranges from the quartiles.
  package var outliers = 0

  /// Measures a column.
  package init(_ column: Table.Column) {
    name = column.name
    kind = column.cells.kind
    switch column.cells {
    case .numbers(let all):
      let sorted = all.filter { !$0.isNaN }.ascending
      missing = all.count - sorted.count
      levels = ColumnFacts.different(sorted)
      range = sorted.first.map { "\(OptionText.number($0)) … \(OptionText.number(sorted.last!))" } ?? ""
      let doubles = sorted.map(Double.init)
      histogram = ColumnFacts.histogram(doubles)
      skew = ColumnFacts.skew(doubles)
      outliers = sorted.outliers
      isAboveMinusOne = sorted.first.map { $0 > -1 } ?? false
    case .instants(let all):
      let sorted = all.filter { $0 != Table.missingInstant }.sorted()
      missing = all.count - sorted.count
      levels = ColumnFacts.different(sorted)
      range = sorted.first.map { "\(CivilDate.text($0)) … \(CivilDate.text(sorted.last!))" } ?? ""
      histogram = ColumnFacts.histogram(sorted.map(Double.init))
    case .levels(let codes, let words):
      var counts = [Int](repeating: 0, count: words.count)
      for code in codes where code >= 0 { counts[Int(code)] += 1 }
      let order = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
      missing = codes.count - counts.reduce(0, +)
      levels = words.count
      range =
        order.prefix(3).map { String(words[$0].prefix(20)) }.joined(separator: ", ") + (words.count > 3 ? ", …" : "")
      histogram = order.prefix(10).map { counts[$0] }
    }
  }

  private static func different<Value: Equatable>(_ sorted: [Value]) -> Int {
    sorted.isEmpty ? 0 : zip(sorted, sorted.dropFirst()).count { $0 != $1 } + 1
  }

  private static func histogram(_ sorted: [Double]) -> [Int] {
    guard let low = sorted.first, let high = sorted.last else { return [] }
    guard high > low else { return [sorted.count] }
    var bins = [Int](repeating: 0, count: 10)
    for value in sorted { bins[min(Int((value - low) / (high - low) * 10), 9)] += 1 }
    return bins
  }

  private static func skew(_ sorted: [Double]) -> Double? {
    guard let low = sorted.first, let high = sorted.last, high > low else { return nil }
    let count = Double(sorted.count)
    let mean = sorted.reduce(0, +) / count
    let (second, third) = sorted.reduce((0.0, 0.0)) { sums, value in
      let difference = value - mean
      return (sums.0 + difference * difference, sums.1 + difference * difference * difference)
    }
    let deviation = (second / count).squareRoot()
    return third / count / (deviation * deviation * deviation)
  }
}

extension Table {
  /// How many records are equal to one before them.
  package var duplicates: Int {
    let columns = columns.map(\.cells)
    // Records that differ nearly always have different hashes; those of one hash are compared.
    let hashes = (0..<count).map { row in
      columns.reduce(0 as UInt64) { hash, cells in
        let product = (hash ^ cells.bits(row)).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low &+ 1
      }
    }
    let order = hashes.indices.sorted { (hashes[$0], $0) < (hashes[$1], $1) }
    return zip(order, order.dropFirst()).count { before, row in
      hashes[before] == hashes[row] && columns.allSatisfy { $0.bits(before) == $0.bits(row) }
    }
  }

  /// The columns of words or few numbers whose cell says the class of every record, and which are shared by many records:
  /// they may have been written after the label was known.
  package func leaks(_ label: Int) -> [String] {
    func codes(_ index: Int) -> [Int]? {
      switch columns[index].cells {
      case .levels(let codes, _): return codes.map { Int($0) }
      case .numbers(let all):
        var known: [Float: Int] = [:]
        return all.map { value in
          guard !value.isNaN else { return -1 }
          let next = known.count
          return known[value]
            ?? {
              known[value] = next; return next
            }()
        }
      case .instants: return nil
      }
    }
    guard let classes = codes(label), Set(classes).count > 1, Set(classes).count < 100 else { return [] }
    return columns.indices.filter { $0 != label }.compactMap { index in
      guard let cells = codes(index) else { return nil }
      var (classOf, known): ([Int: Int], Int) = ([:], 0)
      for (cell, label) in zip(cells, classes) where cell >= 0 && label >= 0 {
        if let other = classOf[cell], other != label { return nil }
        classOf[cell] = label
        known += 1
      }
      let isShared = classOf.count > 1 && 5 * classOf.count < known && 10 * known >= 9 * count
      return isShared ? columns[index].name : nil
    }
  }
}

extension Table.Cells {
  /// Equal for equal cells of the column.
  fileprivate func bits(_ row: Int) -> UInt64 {
    switch self {
    case .numbers(let all): UInt64(all[row].bitPattern)
    case .instants(let all): UInt64(bitPattern: all[row])
    case .levels(let codes, _): UInt64(bitPattern: Int64(codes[row]))
    }
  }
}
