/// The lines of a file's records, of which most follow each other.
struct RecordPlaces: Sendable {
  /// The rows from which on lines have another distance from rows, and that distance.
  private var breaks: [(row: Int, distance: Int)] = []

  /// Says that the records from `row` on have the lines from `line` on.
  mutating func note(row: Int, line: Int) {
    if let last = breaks.last, last.distance == line - row { return }
    breaks.append((row, line - row))
  }

  /// The line of a record that was noted.
  func line(_ row: Int) -> Int {
    var (low, high) = (0, breaks.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if breaks[middle].row <= row { low = middle } else { high = middle }
    }
    return row + breaks[low].distance
  }

  /// Keeps only what records that follow need.
  mutating func forget() { breaks.removeFirst(max(breaks.count - 1, 0)) }
}
