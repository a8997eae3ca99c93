internal import Foundation

/// How the text of a table is cut into records and cells (RFC 4180, with other separators and line ends).
///
/// A quote is one if it is a cell's first byte behind blanks. Two of them inside are one. What follows the quote at the
/// end, up to the separator, is part of the cell.
struct RecordText: Sendable {
  let separator: UInt8
  /// Ends a line: a line feed, or a carriage return in files without any.
  let terminator: UInt8

  private static let quote = UInt8(ascii: "\"")

  @inline(__always)
  private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 && separator != 0x09 }

  @inline(__always)
  private func endsCell(_ byte: UInt8) -> Bool { byte == separator || byte == terminator }

  // MARK: Cells

  /// Whether `text` ends a cell at `index`, without a carriage return before.
  @inline(__always)
  func isCellEnd(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    index == text.count || endsCell(text[index])
  }

  /// Calls `body` with the cell that begins at `start`, without its quotes; without surrounding blanks if it has none.
  ///
  /// - Parameters:
  ///   - scratch: memory for cells that are not in the text as they are.
  ///   - lines: is increased by the line ends in the cell.
  /// - Returns: the place of the separator or of the line's end behind the cell; nil if a quote does not end.
  @inline(__always)
  func readCell(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, _ scratch: inout [UInt8], lines: inout Int,
    _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) -> Int? {
    var start = start
    while start < text.count, isBlank(text[start]) { start += 1 }
    if start < text.count, text[start] == RecordText.quote {
      guard let close = closingQuote(text, from: start + 1) else { return nil }
      lines += lineEnds(text, start..<close)
      let end = cellEnd(text, from: close + 1)
      scratch.removeAll(keepingCapacity: true)
      var index = start + 1
      while index < close {
        scratch.append(text[index])
        index += text[index] == RecordText.quote ? 2 : 1
      }
      scratch.append(contentsOf: text[close + 1..<contentEnd(text, close + 1, end)])
      scratch.withUnsafeBufferPointer { body($0) }
      return end
    }
    let end = cellEnd(text, from: start)
    body(UnsafeBufferPointer(rebasing: text[start..<contentEnd(text, start, end)]))
    return end
  }

  @inline(__always)
  private func cellEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var index = start
    while index < text.count, !endsCell(text[index]) { index += 1 }
    return index
  }

  /// The end of `start..<end` without blanks and the carriage return of a line's end.
  @inline(__always)
  private func contentEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    var last = end
    let endsLine = terminator == 0x0A && (end == text.count || text[end] == 0x0A)
    if endsLine, last > start, text[last - 1] == 0x0D { last -= 1 }
    while last > start, isBlank(text[last - 1]) { last -= 1 }
    return last
  }

  /// The quote that ends a cell whose content begins at `start`; nil if there is none.
  private func closingQuote(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var index = start
    while let found = find(RecordText.quote, text, from: index) {
      guard found + 1 < text.count, text[found + 1] == RecordText.quote else { return found }
      index = found + 2
    }
    return nil
  }

  private func find(_ byte: UInt8, _ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < text.count, let base = text.baseAddress else { return nil }
    return memchr(base + start, Int32(byte), text.count - start).map { UnsafeRawPointer($0) - UnsafeRawPointer(base) }
  }

  // MARK: Records

  /// Calls `body` with each cell of the record that begins at `start`.
  ///
  /// - Parameters:
  ///   - scratch: memory for cells that are not in the text as they are.
  ///   - lines: is increased by the line ends of the record.
  /// - Returns: the number of cells, and the end behind the line's end; nil if a quote does not end.
  func forEachCell(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, _ scratch: inout [UInt8], lines: inout Int,
    _ body: (_ column: Int, UnsafeBufferPointer<UInt8>) -> Void
  ) -> (count: Int, end: Int)? {
    var (index, count) = (start, 0)
    while true {
      guard let end = readCell(text, from: index, &scratch, lines: &lines, { body(count, $0) }) else { return nil }
      (count, index) = (count + 1, end + 1)
      if end < text.count, text[end] == separator { continue }
      lines += 1
      return (count, min(index, text.count))
    }
  }

  /// Whether the line at `start` has nothing but blanks, or begins with #.
  func isBlankOrComment(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Bool {
    if text[start] == UInt8(ascii: "#") { return true }
    var index = start
    while index < text.count, text[index] == 0x20 || text[index] == 0x09 { index += 1 }
    if index < text.count, text[index] == 0x0D { index += 1 }
    return index == text.count || text[index] == terminator || text[index - 1] == terminator && index > start
  }

  /// The number of line ends in `range`.
  private func lineEnds(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
    var (count, index) = (0, range.lowerBound)
    while let end = lineEnd(text, index..<range.upperBound) { (count, index) = (count + 1, end) }
    return count
  }

  /// Cuts text that begins with a record behind some of its records.
  ///
  /// - Parameter hasQuotes: whether lines may end in quotes, which are no records' ends then.
  /// - Returns: about equal parts that together have all records whose lines end in the text.
  func cuts(_ text: UnsafeBufferPointer<UInt8>, parts: Int, hasQuotes: Bool = true) -> [Range<Int>] {
    let target = max(text.count / parts, 1)
    var cuts: [Range<Int>] = []
    var (start, lastEnd) = (0, 0)
    func cut(_ stretch: Range<Int>) {
      while let end = lineEnd(text, stretch.clamped(to: start + target - 1..<Int.max)) {
        cuts.append(start..<end)
        start = end
      }
      lastEnd = lastLineEnd(text, stretch) ?? lastEnd
    }
    if hasQuotes { forEachStretch(text, cut) } else { cut(0..<text.count) }
    if lastEnd > start { cuts.append(start..<lastEnd) }
    return cuts
  }

  /// Calls `body` with the parts of the text that are in no quotes.
  private func forEachStretch(_ text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    var start = 0
    while let quote = openingQuote(text, from: start) {
      body(start..<quote)
      guard let close = closingQuote(text, from: quote + 1) else { return }
      start = close + 1
    }
    body(start..<text.count)
  }

  /// The first quote that begins a cell, from `start` on, which begins the text or follows a quote.
  private func openingQuote(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var index = start
    while let quote = find(RecordText.quote, text, from: index) {
      var before = quote
      while before > index, isBlank(text[before - 1]) { before -= 1 }
      if before > index ? endsCell(text[before - 1]) : before == 0 { return quote }
      index = quote + 1
    }
    return nil
  }

  private func lineEnd(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    find(terminator, UnsafeBufferPointer(rebasing: text[..<range.upperBound]), from: range.lowerBound).map { $0 + 1 }
  }

  private func lastLineEnd(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    text[range].lastIndex(of: terminator).map { $0 + 1 }
  }
}
