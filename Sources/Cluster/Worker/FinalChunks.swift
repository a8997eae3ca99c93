internal import Protocol

/// Which chunks of a gradient are final, while ranges of its values become so.
struct FinalChunks {
  private let chunks: ChunkLayout
  /// How many values of each chunk are not final yet.
  private var missing: [Int]

  init(_ chunks: ChunkLayout) {
    self.chunks = chunks
    missing = chunks.indices.map { chunks[$0].count }
  }

  /// These values are final; each one is given once.
  ///
  /// - Returns: the chunks that are final now and were not before, in order.
  mutating func add(_ range: Range<Int>) -> [Int] {
    chunks.indices.filter { chunk in
      let common = range.clamped(to: chunks[chunk]).count
      missing[chunk] -= common
      return common > 0 && missing[chunk] == 0
    }
  }
}
