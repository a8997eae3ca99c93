internal import Foundation

/// A function of two variables, sampled on a grid: its level curves come from it by marching squares (W. E. Lorensen &
/// H. E. Cline, "Marching Cubes", SIGGRAPH 1987, in two dimensions).
///
/// Along a grid cell's sides the function is taken to be linear. Where all four sides are crossed, the mean of the
/// corners decides which of them belong together. Cells with a corner that is not finite are left out.
package struct LevelField: Sendable {
  /// Where the columns are, in ascending order.
  private let xs: [Double]
  /// Where the rows are, in ascending order.
  private let ys: [Double]
  /// Row by row.
  private let values: [Double]

  /// Samples `function` over the rectangle `x` × `y`, its sides included.
  ///
  /// - Parameters:
  ///   - columns: how many samples across, 2 at least.
  ///   - rows: how many samples up, 2 at least.
  package init(
    x: ClosedRange<Double>, y: ClosedRange<Double>, columns: Int = 161, rows: Int = 161,
    _ function: (Point) -> Double
  ) {
    func places(_ range: ClosedRange<Double>, _ count: Int) -> [Double] {
      let count = max(count, 2)
      return (0..<count).map {
        range.lowerBound + (range.upperBound - range.lowerBound) * Double($0) / Double(count - 1)
      }
    }
    let (xs, ys) = (places(x, columns), places(y, rows))
    self.init(xs, ys, ys.flatMap { y in xs.map { x in function(Point(x, y)) } })
  }

  private init(_ xs: [Double], _ ys: [Double], _ values: [Double]) {
    (self.xs, self.ys, self.values) = (xs, ys, values)
  }

  /// The least and the largest finite sample; nil where there is none.
  package var range: ClosedRange<Double>? {
    let finite = values.filter(\.isFinite)
    guard let low = finite.min(), let high = finite.max() else { return nil }
    return low...high
  }

  /// At most `count` levels that are 1 or 3 times a power of ten: the largest ones below the largest sample, above the
  /// least one.
  package func logarithmicLevels(_ count: Int) -> [Double] {
    guard let range, range.upperBound > 0 else { return [] }
    let top = Int(log10(range.upperBound).rounded(.up))
    var levels: [Double] = []
    for exponent in stride(from: top, to: top - count - 2, by: -1) {
      let power = pow(10, Double(exponent))
      levels += [3 * power, power].filter { $0 < range.upperBound && $0 > range.lowerBound }
    }
    return levels.prefix(count).reversed()
  }

  /// Where the function is `level`: curves, each a chain of points; the last point of a closed one is its first.
  package func curves(at level: Double) -> [[Point]] {
    var chains = Chains()
    for row in 0..<ys.count - 1 {
      for column in 0..<xs.count - 1 { addCell(column, row, level, &chains) }
    }
    return chains.joined.map { $0.map { crossing($0, level) } }
  }

  /// Where the function is below `level`: closed curves around it, to be filled by the even-odd rule. At the
  /// rectangle's sides they run along them.
  package func region(below level: Double) -> [[Point]] {
    // A rim of the same places, infinitely high.
    let width = xs.count
    let inner = ys.indices.map { [.infinity] + values[$0 * width..<($0 + 1) * width] + [.infinity] }
    let rim = [Double](repeating: .infinity, count: width + 2)
    let padded = LevelField(
      [xs[0]] + xs + [xs[width - 1]], [ys[0]] + ys + [ys[ys.count - 1]],
      ([rim] + inner + [rim]).flatMap { $0 }.map { $0.isNaN ? .infinity : $0 })
    return padded.filled.curves(at: level)
  }

  /// Infinite samples made the largest finite number, so that their cells count.
  private var filled: LevelField {
    LevelField(xs, ys, values.map { min($0, .greatestFiniteMagnitude / 4) })
  }

  /// A side of a grid cell: from a sample to the next one across, or up.
  private struct Side: Hashable {
    var column: Int
    var row: Int
    var isUpright: Bool
  }

  private func value(_ column: Int, _ row: Int) -> Double { values[row * xs.count + column] }

  private func addCell(_ column: Int, _ row: Int, _ level: Double, _ chains: inout Chains) {
    let corners = [
      value(column, row), value(column + 1, row), value(column + 1, row + 1), value(column, row + 1),
    ]
    guard corners.allSatisfy(\.isFinite) else { return }
    let isBelow = corners.map { $0 < level }
    // Counter-clockwise from the bottom; side i lies between corners i and i + 1.
    let sides = [
      Side(column: column, row: row, isUpright: false), Side(column: column + 1, row: row, isUpright: true),
      Side(column: column, row: row + 1, isUpright: false), Side(column: column, row: row, isUpright: true),
    ]
    let crossed = (0..<4).filter { isBelow[$0] != isBelow[($0 + 1) % 4] }
    if crossed.count == 2 { chains.add(sides[crossed[0]], sides[crossed[1]]) }
    if crossed.count == 4 {
      let isCenterBelow = corners.reduce(0) { $0 + $1 / 4 } < level
      // The corners that are unlike the centre are cut off, each by the two sides that meet in it.
      for corner in 0..<4 where isBelow[corner] != isCenterBelow {
        chains.add(sides[(corner + 3) % 4], sides[corner])
      }
    }
  }

  private func crossing(_ side: Side, _ level: Double) -> Point {
    let (column, row) = (side.column, side.row)
    let (nextColumn, nextRow) = side.isUpright ? (column, row + 1) : (column + 1, row)
    let (low, high) = (value(column, row), value(nextColumn, nextRow))
    let share = min(max((level - low) / (high - low), 0), 1)
    return Point(
      xs[column] + share * (xs[nextColumn] - xs[column]), ys[row] + share * (ys[nextRow] - ys[row]))
  }

  /// Pieces from side to side, to be joined.
  private struct Chains {
    private var neighbors: [Side: [Side]] = [:]
    /// In the order of the cells, so that the result does not depend on hashes.
    private var order: [Side] = []

    mutating func add(_ one: Side, _ other: Side) {
      for (from, to) in [(one, other), (other, one)] {
        if neighbors[from] == nil { order.append(from) }
        neighbors[from, default: []].append(to)
      }
    }

    /// Open chains from one end to the other, then closed ones.
    var joined: [[Side]] {
      var rest = neighbors
      var chains: [[Side]] = []
      for start in order.filter({ neighbors[$0]!.count == 1 }) + order {
        var chain = [start]
        while let next = rest[chain[chain.count - 1]]?.popLast() {
          let last = chain[chain.count - 1]
          if let back = rest[next]?.firstIndex(of: last) { rest[next]!.remove(at: back) }
          chain.append(next)
        }
        if chain.count > 1 { chains.append(chain) }
      }
      return chains
    }
  }
}
