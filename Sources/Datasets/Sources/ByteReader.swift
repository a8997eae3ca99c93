internal import CZlib
internal import Foundation

/// Reads a file, or bytes in memory, from start to end, and decompresses gzip.
///
/// Memory: 64 KiB for a file, and about 40 KiB for zlib.
package final class ByteReader {
  /// The source's name in errors.
  let name: String
  /// The size in bytes before decompression.
  let stored: Int
  /// nil for bytes in memory.
  private let file: RegularFile?
  private var packed: [UInt8]
  private var packedRange: Range<Int>
  private var inflater: UnsafeMutablePointer<z_stream>?
  private var betweenMembers = true

  /// Opens the file at `path`, which must be gzip if its name ends in `.gz`, and may be otherwise.
  convenience init(path: String) throws {
    let file = try RegularFile(path: path)
    let buffer = [UInt8](repeating: 0, count: 1 << 16)
    try self.init(file, buffer, 0..<0, stored: file.size, name: path, mustBeGzip: path.hasSuffix(".gz"))
  }

  /// - Parameter name: the source's name in errors.
  package convenience init(bytes: [UInt8], name: String) throws {
    try self.init(nil, bytes, bytes.indices, stored: bytes.count, name: name, mustBeGzip: false)
  }

  private init(
    _ file: RegularFile?, _ buffer: [UInt8], _ filled: Range<Int>, stored: Int, name: String, mustBeGzip: Bool
  ) throws {
    self.file = file
    (packed, packedRange) = (buffer, filled)
    (self.name, self.stored) = (name, stored)
    if filled.isEmpty { try refill() }
    if packedRange.count >= 2, packed[0] == 0x1F, packed[1] == 0x8B {
      let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
      stream.initialize(to: z_stream())
      // 16 asks zlib for a gzip header and checksum.
      let status = inflateInit2_(stream, 16 + MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
      precondition(status == Z_OK, "zlib cannot start: status \(status)")
      inflater = stream
    } else if mustBeGzip {
      throw DatasetError("\(name) is not gzip, though its name ends in .gz")
    }
  }

  deinit {
    if let inflater {
      inflateEnd(inflater)
      inflater.deallocate()
    }
  }

  /// Fills `target` with the next bytes.
  ///
  /// - Returns: the number of bytes read, smaller than `target` only at the end.
  func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    while filled < target.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: target[filled...])
      let count = try inflater.map { try inflate(into: rest, $0) } ?? copy(into: rest)
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// - Throws: ``DatasetError`` if the file has another size or time of change than when it was opened.
  func checkUnchanged() throws { try file?.checkUnchanged() }

  /// - Throws: ``DatasetError`` if `next`, which was opened later, reads a file of another size or time of change.
  func checkSame(_ next: ByteReader) throws {
    if let file, let other = next.file { try file.checkSame(other) }
  }

  /// All bytes that are left.
  func readAll() throws -> [UInt8] {
    let part = 1 << 20
    var bytes: [UInt8] = []
    while true {
      let first = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: part))
      let count = try bytes.withUnsafeMutableBytes {
        try read(into: UnsafeMutableRawBufferPointer(rebasing: $0[first...]))
      }
      guard count == part else {
        try checkUnchanged()
        return Array(bytes[..<(first + count)])
      }
    }
  }

  private func copy(into target: UnsafeMutableRawBufferPointer) throws -> Int {
    if packedRange.isEmpty { try refill() }
    let count = min(target.count, packedRange.count)
    packed.withUnsafeBytes { bytes in
      target.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[packedRange.lowerBound..<packedRange.lowerBound + count]))
    }
    packedRange = packedRange.lowerBound + count..<packedRange.upperBound
    return count
  }

  private func inflate(
    into target: UnsafeMutableRawBufferPointer, _ stream: UnsafeMutablePointer<z_stream>
  ) throws -> Int {
    while true {
      if packedRange.isEmpty { try refill() }
      if packedRange.isEmpty {
        guard betweenMembers else { throw DatasetError("\(name) is truncated: its gzip data ends in the middle") }
        return 0
      }
      let count = try packed.withUnsafeBufferPointer { bytes -> Int in
        let given = UInt32(clamping: packedRange.count)
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress! + packedRange.lowerBound)
        stream.pointee.avail_in = given
        stream.pointee.next_out = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(clamping: target.count)
        let asked = Int(stream.pointee.avail_out)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
          throw DatasetError("\(name) is damaged: its gzip data does not unpack")
        }
        packedRange = packedRange.dropFirst(Int(given - stream.pointee.avail_in))
        betweenMembers = status == Z_STREAM_END
        // A gzip file may consist of several members.
        if betweenMembers { inflateReset(stream) }
        return asked - Int(stream.pointee.avail_out)
      }
      if count > 0 { return count }
    }
  }

  private func refill() throws {
    guard let file else { return }
    let count = packed.withUnsafeMutableBytes { Foundation.read(file.descriptor, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw DatasetError("\(name) cannot be read: \(String(cString: strerror(errno)))") }
    packedRange = 0..<count
  }
}
