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
  var result: Result<Table, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result { try readDelimited(TableFormat()) { try ByteReader(bytes: bytes, name: "table.csv") } }
  }
  if case .success(let table) = result {
    guard table.columns.allSatisfy({ $0.cells.count == table.count }) else {
      throw Excess("\(table.count) rows of columns of another length")
    }
  }
  // A cell of two bytes is a float of four. Where all of it is one line, there are the line's buffer and the one of half
  // its size that it outgrew besides. The first such buffer has 64 KiB; Foundation's tables of characters, once, and a
  // cell's text take tens of KiB; and there is twice zlib's state.
  var (honest, isPacked) = content(of: bytes)
  // A column takes some 200 bytes of its own, twice while a block is added to the blocks before; so does a cell of the
  // first 64 KiB, from which separator and header are told.
  honest += 100 * min(columns(of: bytes), 1 << 16)
  try allocation.check(honest: honest, peak: 6, block: 2, constant: (isPacked ? 240 << 10 : 160 << 10) + 4 << 20)
  return try isRead(result)
}

/// Reads bytes as a file of JSON Lines, packed or not.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readJSONL(_ bytes: [UInt8]) throws -> Bool {
  var result: Result<Table, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result { try readJSONLines(TableFormat()) { try ByteReader(bytes: bytes, name: "table.jsonl") } }
  }
  if case .success(let table) = result {
    guard table.columns.allSatisfy({ $0.cells.count == table.count }) else {
      throw Excess("\(table.count) rows of columns of another length")
    }
  }
  var (honest, isPacked) = content(of: bytes)
  // A column takes some hundred bytes of its own, and each behind a colon or a comma may be one.
  honest += 120 * min(items(of: bytes), 1 << 16)
  // Records may lack columns: at most 256 cells for one that is there, or 4 Mi in all.
  if case .success(let table) = result { honest = max(honest, 4 * table.count * table.columns.count) }
  try allocation.check(honest: honest, peak: 6, block: 2, constant: isPacked ? 480 << 10 : 400 << 10)
  return try isRead(result)
}

/// At most this many values have the objects of `bytes` once they are unpacked.
private func items(of bytes: [UInt8]) -> Int {
  guard let reader = try? ByteReader(bytes: bytes, name: ""), let all = try? reader.readAll() else { return 0 }
  return all.count { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ",") }
}

/// At most this many columns has the first line of `bytes` once they are unpacked.
private func columns(of bytes: [UInt8]) -> Int {
  guard let reader = try? ByteReader(bytes: bytes, name: ""), let all = try? reader.readAll() else { return 0 }
  return all.prefix { $0 != 0x0A && $0 != 0x0D }.filter { ",;\t|".utf8.contains($0) }.count
}

/// Reads bytes as a file of a NumPy array.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readNPY(_ bytes: [UInt8]) throws -> Bool {
  let stored = StoredBytes(bytes)
  var result: Result<NPYArray, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result { try NPYArray(stored, stored.all.indices, NPYName(file: "array.npy")) }
  }
  if case .success(let array) = result {
    let numbers = array.numbers()
    guard numbers.count == array.shape.reduce(1, *), numbers.floats.count == numbers.count else {
      throw Excess("\(numbers.count) elements of the shape \(array.shape)")
    }
  }
  // Column-major elements are copied.
  try allocation.check(honest: bytes.count, peak: 1, block: 1, constant: 16 << 10)
  return try isRead(result)
}

/// Reads bytes as an archive of NumPy arrays.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readNPZ(_ bytes: [UInt8]) throws -> Bool {
  let stored = StoredBytes(bytes)
  var result: Result<DataParts, any Error> = .failure(DatasetError(""))
  let allocation = Allocation {
    result = Result {
      let archive = try NPZArchive(ZipArchive(stored, path: "arrays.npz"))
      return try archive.parts(features: nil, label: nil)
    }
  }
  var honest = bytes.count
  if case .success(let parts) = result, case .examples(let train, let test) = parts.content {
    for part in [train, test].compactMap({ $0 }) {
      guard part.features.count == part.count * part.shape.reduce(1, *),
        part.targets.count == part.count * part.targetCount
      else { throw Excess("\(part.features.count) values of the shape \(part.shape)") }
      honest += 8 * part.features.count + 8 * part.targets.count
    }
  }
  // Deflated members are unpacked, and grow by doubling. Labels are held as float32. Of a member that does not unpack, at
  // most what its bytes can hold is written. zlib's state, and the tables of names.
  try allocation.check(honest: honest, peak: 4, block: 2, constant: 160 << 10)
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

extension Table.Cells {
  fileprivate var count: Int {
    switch self {
    case .numbers(let all): all.count
    case .instants(let all): all.count
    case .levels(let codes, _): codes.count
    }
  }
}
