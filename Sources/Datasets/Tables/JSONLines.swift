internal import Foundation

/// Reads a table of JSON objects, one a line. Keys are columns, in the order in which they first appear. Objects inside
/// become `a.b`, lists `a.0`, `a.1`, …. A column of which a cell is a text or a truth value is no column of numbers.
///
/// - Parameters:
///   - blockSize: the bytes that are read at once; the result does not depend on it.
///   - threads: how many parse; the result does not depend on it.
///   - open: called once for each time that the file is read from its beginning, at most three times.
package func readJSONLines(
  _ format: TableFormat, blockSize: Int = 1 << 23, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
  _ open: () throws -> ByteReader
) throws -> Table {
  var words: Set<String> = []
  var former: ByteReader?
  while true {
    let reader = try open()
    try former?.checkSame(reader)
    former = reader
    let modes = JSONModes(format, words: words, keepsDeclaredOnly: false)
    let records = try JSONRecords(reader, modes, blockSize: blockSize, threads: threads)
    var (columns, blocks, found) = (JSONColumns(format), 0, [String]())
    while try records.next(into: &columns) {
      blocks += 1
      found = columns.wordless
      // Columns with text are read again, from the beginning. Most are known after the first block.
      if blocks == 1, !found.isEmpty { break }
    }
    guard records.rows > 0 else { throw DatasetError("\(records.name) has no records") }
    if found.isEmpty {
      try columns.checkNames(records.name)
      return try columns.table(columns.names, records, from: 0)
    }
    words.formUnion(found)
  }
}

/// Parts of a file of JSON Lines of any size, whose columns' types are known.
package final class JSONLinesBlocks: TableBlocks {
  private let records: JSONRecords
  private let format: TableFormat

  /// Of the records that were read: each may lack some.
  package private(set) var names: [String] = []
  private var met: Set<String> = []

  /// - Parameters:
  ///   - format: names the columns that are read.
  ///   - blockSize: the bytes that are read at once.
  package init(_ format: TableFormat, blockSize: Int = 1 << 23, _ reader: ByteReader) throws {
    self.format = format
    let threads = ProcessInfo.processInfo.activeProcessorCount
    records = try JSONRecords(
      reader, JSONModes(format, words: [], keepsDeclaredOnly: true), blockSize: blockSize, threads: threads)
  }

  package func next() throws -> Table? {
    var columns = JSONColumns(format)
    let first = records.rows
    guard try records.next(into: &columns, from: first) else { return nil }
    defer { records.forgetPlaces() }
    for key in columns.allNames where met.insert(key).inserted { names.append(key) }
    return try columns.table(Set(format.types.keys).union(format.kept).sorted(), records, from: first)
  }
}
