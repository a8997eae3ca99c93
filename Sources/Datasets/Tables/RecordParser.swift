/// Parses records into the cells of columns, for one thread.
struct RecordParser: Sendable {
  let record: RecordText
  let modes: [ColumnCells.Mode]
  let reader: CellText

  /// The records of a part of a file.
  struct Piece: Sendable {
    var columns: [ColumnCells]
    var rows = 0
    /// The lines that end in it.
    var lines = 0
    /// Rows before which the lines do not follow each other, with their lines; both from 0.
    var breaks: [(row: Int, line: Int)] = []
    /// The first record that is none.
    var flaw: RecordFlaw?
  }

  /// A record that is none.
  struct RecordFlaw: Sendable {
    /// Its line in the piece, from 0.
    var line: Int
    /// A phrase that follows the line.
    var problem: String
  }

  /// The records in `range` of `text`, which begins with a record.
  func piece(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Piece {
    let text = UnsafeBufferPointer(rebasing: text[range])
    var piece = Piece(columns: modes.map { ColumnCells($0) })
    let numbers = modes.map { $0 == .numbers }
    var (index, scratch, expected): (Int, [UInt8], Int) = (0, [], -1)
    piece.columns.withUnsafeMutableBufferPointer { columns in
      numbers.withUnsafeBufferPointer { numbers in
        while index < text.count {
          if let end = endOfNoRecord(text, index, &piece.lines, &scratch) {
            index = end
            continue
          }
          let line = piece.lines
          if line != expected { piece.breaks.append((piece.rows, line)) }
          if let flaw = readRecord(text, &index, columns, numbers, &piece.lines, &scratch) {
            piece.flaw = flaw
            return
          }
          expected = line + 1
          piece.rows += 1
        }
      }
    }
    return piece
  }

  /// Appends a record's cells to `columns`.
  ///
  /// - Parameter lines: the lines that ended before.
  @inline(__always)
  private func readRecord(
    _ text: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ columns: UnsafeMutableBufferPointer<ColumnCells>,
    _ numbers: UnsafeBufferPointer<Bool>, _ lines: inout Int, _ scratch: inout [UInt8]
  ) -> RecordFlaw? {
    let line = lines
    var column = 0
    while true {
      if column < numbers.count, numbers[column],
        let number = NumberText(text, from: index, decimal: reader.decimal), record.isCellEnd(text, number.end),
        let value = number.quickValue
      {
        columns[column].append(value)
        index = number.end
      } else {
        let end = record.readCell(text, from: index, &scratch, lines: &lines) {
          if column < columns.count { columns[column].append($0, reader, line: line) }
        }
        guard let end else { return RecordFlaw(line: lines, problem: "a quote that begins here does not end") }
        index = end
      }
      column += 1
      guard index < text.count else { break }
      index += 1
      if text[index - 1] == record.terminator { break }
    }
    lines += 1
    guard column == columns.count else {
      return RecordFlaw(line: line, problem: "\(column) cells, where the first line has \(columns.count) columns")
    }
    return nil
  }

  /// The end of a record at `start` that is none: a line without anything but blanks, or a comment.
  private func endOfNoRecord(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ lines: inout Int, _ scratch: inout [UInt8]
  ) -> Int? {
    guard text[start] <= UInt8(ascii: " ") || text[start] == UInt8(ascii: "#") else { return nil }
    var ended = lines
    guard record.isBlankOrComment(text, from: start),
      let (count, end) = record.forEachCell(text, from: start, &scratch, lines: &ended, { _, _ in })
    else { return nil }
    // Where tabs separate, a line of them may be a record of missing cells; a cell may begin with #.
    guard count == 1 || count != modes.count else { return nil }
    lines = ended
    return end
  }
}
