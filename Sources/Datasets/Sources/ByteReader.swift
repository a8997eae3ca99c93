internal import CZlib
internal import Foundation

/// Reads a file, or bytes in memory, from start to end, and decompresses gzip.
///
/// Memory: 64 KiB for a file, and about 40 KiB for zlib.
final class ByteReader {
  /// The source's name in errors.
  let name: String
  /// The size in bytes before decompression.
  let stored: Int
  /// nil for bytes in memory.
  private let file: FileHandle?
  private var packed: [UInt8]
  private var packedRange: Range<Int>
  private var inflater: UnsafeMutablePointer<z_stream>?
  private var betweenMembers = true

  /// Opens the file at `path`, which must be gzip if its name ends in `.gz`, and may be otherwise.
  convenience init(path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw DatasetError("\(path): \(errno == ENOENT ? "no such file" : String(cString: strerror(errno)))")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw DatasetError("\(path) is a folder where a file is needed")
    // A pipe or a device blocks, never ends, or can't be read twice.
    default: throw DatasetError("\(path) is not a regular file, and data must be one")
    }
    let handle: FileHandle
    do {
      handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    } catch {
      throw DatasetError("\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    let buffer = [UInt8](repeating: 0, count: 1 << 16)
    try self.init(handle, buffer, 0..<0, stored: Int(status.st_size), name: path, mustBeGzip: path.hasSuffix(".gz"))
  }

  /// - Parameter name: the source's name in errors.
  convenience init(bytes: [UInt8], name: String) throws {
    try self.init(nil, bytes, bytes.indices, stored: bytes.count, name: name, mustBeGzip: false)
  }

  private init(
    _ file: FileHandle?, _ buffer: [UInt8], _ filled: Range<Int>, stored: Int, name: String, mustBeGzip: Bool
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
    try? file?.close()
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
      guard count == part else { return Array(bytes[..<(first + count)]) }
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
    let count = packed.withUnsafeMutableBytes { Foundation.read(file.fileDescriptor, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw DatasetError("\(name) cannot be read: \(String(cString: strerror(errno)))") }
    packedRange = 0..<count
  }
}
