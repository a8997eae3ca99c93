internal import Foundation

/// The records of a file in parts.
package protocol TableBlocks {
  /// Of all columns of the file.
  var names: [String] { get }
  /// The next records; nil at the end.
  func next() throws -> Table?
}

/// Parts of a delimited file of any size, whose columns' types are known.
package final class DelimitedBlocks: TableBlocks {
  private let file: DelimitedFile
  package var names: [String] { file.layout.names }

  /// - Parameters:
  ///   - format: names the columns that are read.
  ///   - blockSize: the bytes that are read at once.
  package init(_ format: TableFormat, blockSize: Int = 1 << 23, _ reader: ByteReader) throws {
    let threads = ProcessInfo.processInfo.activeProcessorCount
    file = try DelimitedFile(
      format, blockSize: blockSize, threads: threads, reader, words: [], keepsDeclaredOnly: true)
  }

  package func next() throws -> Table? {
    var columns = file.newColumns()
    let first = file.rows
    guard try file.next(into: &columns) else { return nil }
    defer { file.forgetPlaces() }
    return try file.table(columns, from: first)
  }
}
