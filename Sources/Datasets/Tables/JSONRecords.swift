internal import Foundation

/// A file of JSON Lines that is read from start to end, block by block.
final class JSONRecords {
  /// The records that were read.
  private(set) var rows = 0
  private(set) var places = RecordPlaces()
  private let modes: JSONModes
  private let threads: Int
  private let blocks: TextBlocks
  /// The line after those that were read.
  private var line = 1

  var name: String { blocks.name }

  init(_ reader: ByteReader, _ modes: JSONModes, blockSize: Int, threads: Int) throws {
    blocks = TextBlocks(reader, size: blockSize)
    (self.modes, self.threads) = (modes, max(threads, 1))
    while blocks.count < 3, !blocks.isAtEnd { try blocks.more() }
    if blocks.withBytes({ $0.starts(with: [0xEF, 0xBB, 0xBF]) }) { blocks.drop(3) }
  }

  /// Appends the cells of the next block to `columns`, whose first cells are those of record `first`.
  ///
  /// - Returns: whether there was one.
  /// - Throws: ``DatasetError`` for a line that is no object, and text in a column that must have numbers.
  func next(into columns: inout JSONColumns, from first: Int = 0) throws -> Bool {
    let before = rows
    while rows == before {
      let cuts = try nextCuts()
      guard let end = cuts.last?.upperBound else { return false }
      for piece in parse(cuts) {
        try columns.append(piece, row: rows - first, line: line, name)
        for (row, distance) in piece.breaks { places.note(row: rows + row, line: line + distance) }
        rows += piece.rows
        line += piece.lines
      }
      blocks.drop(end)
    }
    return true
  }

  /// The next lines in about equal parts, one a thread.
  private func nextCuts() throws -> [Range<Int>] {
    let lines = RecordText(separator: 0, terminator: 0x0A)
    while true {
      var cuts = blocks.withBytes { lines.cuts($0, parts: threads, hasQuotes: false) }
      let end = cuts.last?.upperBound ?? 0
      if blocks.isAtEnd, end < blocks.count { cuts.append(end..<blocks.count) }
      if blocks.isAtEnd || !cuts.isEmpty { return cuts }
      try blocks.more()
    }
  }

  private func parse(_ cuts: [Range<Int>]) -> [JSONRecordParser.Piece] {
    var pieces = [JSONRecordParser.Piece?](repeating: nil, count: cuts.count)
    blocks.withBytes { text in
      pieces.withUnsafeMutableBufferPointer { pieces in
        // Each iteration reads its part of the text and writes its piece.
        nonisolated(unsafe) let (text, pieces) = (text, pieces)
        let modes = modes
        DispatchQueue.concurrentPerform(iterations: cuts.count) { index in
          var parser = JSONRecordParser(UnsafeBufferPointer(rebasing: text[cuts[index]]), modes)
          parser.parse()
          pieces[index] = parser.piece
        }
      }
    }
    return pieces.map { $0! }
  }

  /// Forgets the lines of the records that were read.
  func forgetPlaces() { places.forget() }
}
