internal import Foundation

/// Reads a table of records separated by commas, semicolons, tabs or bars. The columns' types follow from all cells.
///
/// - Parameters:
///   - blockSize: the bytes that are read at once; the result does not depend on it.
///   - threads: how many parse; the result does not depend on it.
///   - open: called once for each time that the file is read from its beginning, at most three times.
package func readDelimited(
  _ format: TableFormat, blockSize: Int = 1 << 23, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
  _ open: () throws -> ByteReader
) throws -> Table {
  var words: Set<Int> = []
  var former: ByteReader?
  while true {
    let reader = try open()
    try former?.checkSame(reader)
    former = reader
    let file = try DelimitedFile(format, blockSize: blockSize, threads: threads, reader, words: words)
    var (columns, blocks, found) = (file.newColumns(), 0, [Int]())
    while try file.next(into: &columns) {
      blocks += 1
      found = columns.indices.filter { columns[$0].text != nil }
      // Columns with text are read again, from the beginning. Most are known after the first block.
      if blocks == 1, !found.isEmpty { break }
    }
    if found.isEmpty { return try file.table(columns, from: 0) }
    words.formUnion(found)
  }
}
