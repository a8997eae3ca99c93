internal import Foundation

/// The bytes of a text file in blocks, of which the end is handed back if it is no whole record.
final class TextBlocks {
  private let reader: ByteReader
  private let size: Int
  private var buffer: [UInt8] = []
  /// The bytes of the buffer that were handed out.
  private var used = 0
  private var isAtStart = true
  private(set) var isAtEnd = false
  /// The bytes of the next block: few at first, so that a small file takes little memory.
  private var next = 1 << 16

  /// The longest line of a table.
  static let longestLine = 1 << 26

  var name: String { reader.name }

  init(_ reader: ByteReader, size: Int) { (self.reader, self.size) = (reader, max(size, 1)) }

  /// The number of bytes that are read, and not handed out yet.
  var count: Int { buffer.count - used }

  /// Calls `body` with all bytes that are read, and not handed out yet.
  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
    try buffer.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[used...])) }
  }

  /// Hands out the first `count` bytes.
  func drop(_ count: Int) { used += count }

  /// Reads on.
  ///
  /// - Throws: ``DatasetError`` if a line is too long, the text is not in UTF-8, or the file has changed.
  func more(upTo count: Int? = nil) throws {
    if used > 0 {
      buffer.removeSubrange(..<used)
      used = 0
    }
    let (filled, wanted) = (buffer.count, count ?? min(size, next))
    if count == nil { next = min(2 * next, size) }
    guard filled + wanted <= TextBlocks.longestLine + 2 * max(size, 1 << 16) else {
      throw DatasetError("\(name) has a line of more than \(TextBlocks.longestLine) bytes: is this a text file?")
    }
    buffer.append(contentsOf: repeatElement(0, count: wanted))
    let read = try buffer.withUnsafeMutableBytes {
      try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
    }
    buffer.removeLast(wanted - read)
    isAtEnd = read < wanted
    if isAtEnd { try reader.checkUnchanged() }
    try checkEncoding(from: filled)
  }

  /// Refuses text in UTF-16, and what is no text.
  private func checkEncoding(from start: Int) throws {
    let mark = buffer.prefix(2)
    let isWide = isAtStart && (mark == [0xFF, 0xFE] || mark == [0xFE, 0xFF])
    isAtStart = false
    let hasZero = buffer.withUnsafeBufferPointer { bytes in
      bytes.baseAddress.map { memchr($0 + start, 0, bytes.count - start) != nil } ?? false
    }
    guard !isWide, !hasZero else {
      throw DatasetError(
        "\(name) is no text in UTF-8\(isWide ? ", but in UTF-16" : ": it has zero bytes"): convert it first, as in `iconv -f "
          + "UTF-16 -t UTF-8`")
    }
  }
}
