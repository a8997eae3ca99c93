internal import CZlib
internal import Files
internal import Foundation

/// Writes files for `numpy.load`: a zip of uncompressed `.npy` files of float32 values, and of texts.
///
/// | part | what |
/// | --- | --- |
/// | for each array or text | local header, name, Zip64 sizes, then the `.npy`: its header and the values; or the text |
/// | for each array or text | central header, name, Zip64 sizes and offset of the local one |
/// | the end | Zip64 record and locator, and the old record, whose fields all point to them |
///
/// Every number is little-endian. Sizes and offsets are always Zip64's, so that files of any size are written the same
/// way. An `.npy` header (version 1.0) is `\x93NUMPY`, 1, 0, its length in two bytes, and a Python dict, padded with
/// blanks to a multiple of 64 bytes.
package struct NumPyArchive: ~Copyable {
  /// NumPy's limit (since 2.0; 32 before).
  private static let mostSizes = 64
  /// The length of `name.npy` has 2 bytes.
  private static let longestName = 65_535 - 4

  private let file: AtomicFile
  private var size: UInt64 = 0
  private var entries: [Entry] = []

  /// Starts the file at `path`, which appears whole or not at all.
  package init(path: String) throws {
    file = try AtomicFile(path: path)
  }

  /// Appends an array.
  ///
  /// - Parameter values: row-major float32 in little-endian order.
  /// - Throws: ``FileError`` if the file cannot be written, or the name or the shape is too long for the format.
  package mutating func append(_ name: String, shape: [Int], values: UnsafeRawBufferPointer) throws {
    precondition(values.count == shape.reduce(4, *), "\(values.count) bytes for \(name) of shape \(shape)")
    guard shape.count <= NumPyArchive.mostSizes else {
      throw FileError(
        "the tensor \(name.prefix(100)) has \(shape.count) sizes, and NumPy takes \(NumPyArchive.mostSizes)")
    }
    guard name.utf8.count <= NumPyArchive.longestName else {
      throw FileError("a tensor's name has \(name.utf8.count) bytes, and an archive takes \(NumPyArchive.longestName)")
    }
    try append("\(name).npy", NumPyArchive.header(shape), values)
  }

  /// Appends a text, which `numpy.load` gives as bytes under `name`.
  package mutating func append(text: String, as name: String) throws {
    var text = text
    try text.withUTF8 { try append(name, [], UnsafeRawBufferPointer($0)) }
  }

  private mutating func append(_ name: String, _ header: [UInt8], _ values: UnsafeRawBufferPointer) throws {
    let start = header.withUnsafeBytes { crc32_z(0, $0.baseAddress, $0.count) }
    // Without bytes, zlib would return the initial checksum.
    let checksum = values.isEmpty ? start : crc32_z(start, values.baseAddress, values.count)
    let entry = Entry(
      name: Array(name.utf8), checksum: UInt32(checksum), size: UInt64(header.count + values.count), offset: size)
    var record = Bytes()
    record.add(UInt32(0x0403_4b50))
    entry.addCommonFields(to: &record, extraCount: 20)
    record.bytes += entry.name
    record.add(UInt16(1), UInt16(16))
    record.add(entry.size, entry.size)
    try write(record.bytes)
    try write(header)
    try file.write(values)
    size += UInt64(values.count)
    entries.append(entry)
  }

  /// Writes the central directory and renames the file to its path.
  package consuming func commit() throws {
    let start = size
    for entry in entries {
      var record = Bytes()
      record.add(UInt32(0x0201_4b50))
      record.add(UInt16(45))
      entry.addCommonFields(to: &record, extraCount: 28)
      // No comment, disk 0, and no attributes.
      record.add(UInt16(0), UInt16(0), UInt16(0))
      record.add(UInt32(0), UInt32.max)
      record.bytes += entry.name
      record.add(UInt16(1), UInt16(24))
      record.add(entry.size, entry.size, entry.offset)
      try write(record.bytes)
    }
    let (end, count) = (size, UInt64(entries.count))
    var record = Bytes()
    record.add(UInt32(0x0606_4b50))
    record.add(UInt64(44))
    record.add(UInt16(45), UInt16(45))
    record.add(UInt32(0), UInt32(0))
    record.add(count, count, end - start, start)
    record.add(UInt32(0x0706_4b50), UInt32(0))
    record.add(end)
    record.add(UInt32(1), UInt32(0x0605_4b50))
    record.add(UInt16(0), UInt16(0), UInt16.max, UInt16.max)
    record.add(UInt32.max, UInt32.max)
    record.add(UInt16(0))
    try write(record.bytes)
    try file.commit()
  }

  private mutating func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try file.write($0) }
    size += UInt64(bytes.count)
  }

  private static func header(_ shape: [Int]) -> [UInt8] {
    let sizes = shape.count == 1 ? "\(shape[0])," : shape.map { "\($0)" }.joined(separator: ", ")
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }"
    // Magic, version and length are 10 bytes, the line end is one.
    text += String(repeating: " ", count: (64 - (text.utf8.count + 11) % 64) % 64) + "\n"
    var header = Bytes(bytes: [0x93] + Array("NUMPY".utf8) + [1, 0])
    header.add(UInt16(text.utf8.count))
    return header.bytes + Array(text.utf8)
  }
}

/// An array or a text in the archive.
private struct Entry {
  let name: [UInt8]
  let checksum: UInt32
  let size, offset: UInt64

  /// The fields that local and central headers share, from the version to the length of the extra field.
  func addCommonFields(to record: inout Bytes, extraCount: UInt16) {
    // Version 4.5 for Zip64; bit 11: the name is UTF-8; not compressed; 1980-01-01, so that equal values give equal
    // files.
    record.add(UInt16(45), UInt16(1 << 11), UInt16(0), UInt16(0), UInt16(0x21))
    record.add(checksum, UInt32.max, UInt32.max)
    record.add(UInt16(name.count), extraCount)
  }
}

private struct Bytes {
  var bytes: [UInt8] = []

  mutating func add<Value: FixedWidthInteger>(_ values: Value...) {
    for value in values { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
  }
}
