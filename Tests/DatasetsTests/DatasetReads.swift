import TestSupport

@testable import Datasets

/// Reads bytes as an IDX file's, packed or not.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readIDX(_ bytes: [UInt8]) throws -> Bool {
  var result: Result<IDXArray, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result { try IDXArray(ByteReader(bytes: bytes, name: "array")) }
  }
  var (honest, isPacked) = content(of: bytes)
  if case .success(let array) = result {
    guard array.elements.count == array.dimensions.reduce(1, *) else {
      throw Excess("\(array.elements.count) elements of the shape \(array.dimensions)")
    }
    // Small integers are held as float32.
    if case .floats(let floats) = array.elements { honest = max(honest, 4 * floats.count) }
  }
  // What is packed to less than half grows by doubling, so that there is the old block besides the new one. A buffer of
  // 64 KiB, and zlib's state.
  try allocation.check(honest: honest, peak: 3, block: 2, constant: isPacked ? 120 << 10 : 80 << 10)
  return try isRead(result)
}

/// Reads bytes as a CSV file's, packed or not.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readCSV(_ bytes: [UInt8]) throws -> Bool {
  var result: Result<CSVTable, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result { try CSVTable(label: nil) { try ByteReader(bytes: bytes, name: "table.csv") } }
  }
  if case .success(let table) = result {
    guard table.labels.count == table.rows, table.features.count == table.rows * (table.columns - 1),
      table.features.allSatisfy(\.isFinite), table.labels.allSatisfy(\.isFinite)
    else { throw Excess("\(table.rows) rows of \(table.columns) columns") }
  }
  // A cell of two bytes is a float of four. Where all of it is one line, there are the line's buffer and the one of half
  // its size that it outgrew besides. The first such buffer has 64 KiB; Foundation's tables of characters, once, and a
  // cell's text take tens of KiB; and there is twice zlib's state.
  let (honest, isPacked) = content(of: bytes)
  try allocation.check(honest: honest, peak: 6, block: 2, constant: isPacked ? 240 << 10 : 160 << 10)
  return try isRead(result)
}

/// How much `bytes` hold once they are unpacked, and whether they are packed.
private func content(of bytes: [UInt8]) -> (count: Int, isPacked: Bool) {
  guard bytes.starts(with: [0x1F, 0x8B]) else { return (bytes.count, false) }
  guard let reader = try? ByteReader(bytes: bytes, name: "") else { return (bytes.count, true) }
  var count = 0
  while let read = try? reader.bytes(1 << 16).count, read > 0 { count += read }
  return (max(count, bytes.count), true)
}

private func isRead(_ result: Result<some Any, any Error>) throws -> Bool {
  do {
    _ = try result.get()
    return true
  } catch is DatasetError {
    return false
  }
}
