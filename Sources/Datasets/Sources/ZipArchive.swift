internal import CZlib
internal import Foundation
internal import Kernels

/// The members of a zip archive, such as NumPy's `.npz` (PKWARE, *.ZIP File Format Specification*, 6.3.10).
///
/// | part | what |
/// | --- | --- |
/// | for each member | local header (30 bytes), name, extra fields, and its bytes, stored or deflated |
/// | for each member | central header (46 bytes), name, extra fields, comment: sizes, checksum, and where the local one is |
/// | the end | for Zip64, a record (56 bytes) and its locator (20); always the old record (22) and a comment |
///
/// Every number is little-endian. Sizes and offsets that do not fit 32 bits are in an extra field.
struct ZipArchive {
  let path: String
  private let bytes: StoredBytes
  /// In the order of the archive.
  let members: [Member]

  struct Member {
    let name: String
    fileprivate let method: UInt16
    fileprivate let isEncrypted: Bool
    fileprivate let checksum: UInt32
    /// Of its bytes as they are stored, and once they are unpacked.
    fileprivate let storedSize: Int
    let size: Int
    /// Of its local header.
    fileprivate let offset: Int
  }

  /// Maps the file at `path`.
  init(path: String) throws { try self.init(StoredBytes(path: path), path: path) }

  init(_ bytes: StoredBytes, path: String) throws {
    (self.path, self.bytes) = (path, bytes)
    let damaged = DatasetError("\(path) is damaged or truncated: the directory at its end does not describe it")
    guard let directory = try ZipArchive.directory(bytes.all, path) else { throw damaged }
    var members: [Member] = []
    var place = directory.range.lowerBound
    while place < directory.range.upperBound {
      guard let (member, end) = ZipArchive.member(bytes.all, place, directory.range.upperBound) else { throw damaged }
      members.append(member)
      place = end
    }
    guard members.count == directory.count else { throw damaged }
    self.members = members
  }

  /// Where the central headers are, and their number; nil if the records at the end are damaged.
  private static func directory(
    _ bytes: UnsafeRawBufferPointer, _ path: String
  ) throws -> (range: Range<Int>, count: Int)? {
    guard bytes.starts(with: [0x50, 0x4B]) else {
      throw DatasetError(
        "\(path) is not an archive of NumPy: it starts with \(bytes.prefix(4).map { [$0].hex }.joined(separator: " "))")
    }
    // The old record's comment has at most 65,535 bytes.
    let earliest = max(0, bytes.count - 22 - 65_535)
    guard
      let end = stride(from: bytes.count - 22, through: earliest, by: -1).first(where: {
        bytes.number(at: $0, UInt32.self) == 0x0605_4b50
          && $0 + 22 + Int(bytes.number(at: $0 + 20, UInt16.self)) == bytes.count
      })
    else { return nil }
    var disks = [UInt32(bytes.number(at: end + 4, UInt16.self)), UInt32(bytes.number(at: end + 6, UInt16.self))]
    var count = UInt64(bytes.number(at: end + 10, UInt16.self))
    var size = UInt64(bytes.number(at: end + 12, UInt32.self))
    var start = UInt64(bytes.number(at: end + 16, UInt32.self))
    var limit = end
    if end >= 76, bytes.number(at: end - 20, UInt32.self) == 0x0706_4b50 {
      let record = bytes.number(at: end - 12, UInt64.self)
      guard record <= UInt64(end - 76), bytes.number(at: Int(record), UInt32.self) == 0x0606_4b50 else { return nil }
      limit = Int(record)
      disks = [bytes.number(at: limit + 16, UInt32.self), bytes.number(at: limit + 20, UInt32.self)]
      count = bytes.number(at: limit + 32, UInt64.self)
      size = bytes.number(at: limit + 40, UInt64.self)
      start = bytes.number(at: limit + 48, UInt64.self)
    }
    guard disks == [0, 0] else {
      throw DatasetError("\(path) is a part of an archive on several disks: join them, or save it with numpy.savez")
    }
    guard start <= UInt64(limit), size == UInt64(limit) - start, count <= size / 46 else { return nil }
    return (Int(start)..<limit, Int(count))
  }

  /// The member whose central header is at `start`, and where that header ends; nil if it is damaged.
  private static func member(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ limit: Int) -> (Member, end: Int)? {
    guard limit - start >= 46, bytes.number(at: start, UInt32.self) == 0x0201_4b50 else { return nil }
    let lengths = [28, 30, 32].map { Int(bytes.number(at: start + $0, UInt16.self)) }
    let end = start + 46 + lengths.reduce(0, +)
    guard end <= limit else { return nil }
    var size = UInt64(bytes.number(at: start + 24, UInt32.self))
    var storedSize = UInt64(bytes.number(at: start + 20, UInt32.self))
    var offset = UInt64(bytes.number(at: start + 42, UInt32.self))
    var extra = start + 46 + lengths[0]
    let extraEnd = extra + lengths[1]
    while extraEnd - extra >= 4 {
      let (kind, length) = (bytes.number(at: extra, UInt16.self), Int(bytes.number(at: extra + 2, UInt16.self)))
      extra += 4
      guard length <= extraEnd - extra else { return nil }
      if kind == 1 {
        var place = extra
        func wide(_ value: UInt64) -> UInt64? {
          guard value == UInt64(UInt32.max) else { return value }
          guard extra + length - place >= 8 else { return nil }
          place += 8
          return bytes.number(at: place - 8, UInt64.self)
        }
        guard let wideSize = wide(size), let wideStored = wide(storedSize), let wideOffset = wide(offset) else {
          return nil
        }
        (size, storedSize, offset) = (wideSize, wideStored, wideOffset)
      }
      extra += length
    }
    guard let size = Int(exactly: size), let storedSize = Int(exactly: storedSize), let offset = Int(exactly: offset)
    else { return nil }
    let member = Member(
      name: String(decoding: bytes[start + 46..<start + 46 + lengths[0]], as: UTF8.self),
      method: bytes.number(at: start + 10, UInt16.self), isEncrypted: bytes.number(at: start + 8, UInt16.self) & 1 != 0,
      checksum: bytes.number(at: start + 16, UInt32.self), storedSize: storedSize, size: size, offset: offset)
    return (member, end)
  }

  /// The bytes of `member`: in place if they are stored, otherwise unpacked into memory. Their checksum is right.
  func content(of member: Member) throws -> (bytes: StoredBytes, range: Range<Int>) {
    let range = try storedRange(of: member)
    let result = member.method == 0 ? (bytes: bytes, range: range) : try unpack(member, range)
    let content = UnsafeRawBufferPointer(rebasing: result.bytes.all[result.range])
    guard crc32_z(crc32_z(0, nil, 0), content.baseAddress, content.count) == UInt(member.checksum) else {
      throw DatasetError("\(path) is damaged: \(member.name) has another checksum than the archive says")
    }
    return result
  }

  /// The first bytes of `member`, at most `count`, without a look at the checksum.
  func head(of member: Member, _ count: Int) throws -> StoredBytes {
    let range = try storedRange(of: member)
    if member.method != 0 { return try unpack(member, range, atMost: min(count, member.size)).bytes }
    return StoredBytes(Array(bytes.all[range].prefix(count)))
  }

  private func storedRange(of member: Member) throws -> Range<Int> {
    guard !member.isEncrypted else {
      throw DatasetError("\(path): \(member.name) is encrypted; save it without a password, as numpy.savez does")
    }
    guard [0, 8].contains(member.method) else {
      let known: [UInt16: String] = [9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"]
      let method = known[member.method] ?? "method \(member.method)"
      throw DatasetError(
        "\(path): \(member.name) is packed with \(method); save it with numpy.savez or numpy.savez_compressed")
    }
    let all = bytes.all
    let damaged = DatasetError("\(path) is damaged: \(member.name) is not where its directory says")
    guard member.offset <= all.count - 30, all.number(at: member.offset, UInt32.self) == 0x0403_4b50 else {
      throw damaged
    }
    let names = [26, 28].map { Int(all.number(at: member.offset + $0, UInt16.self)) }
    let start = member.offset + 30 + names[0] + names[1]
    guard start <= all.count, member.storedSize <= all.count - start else { throw damaged }
    // Deflate packs 1032 bytes into one at most.
    let isPossible =
      member.method == 0 ? member.size == member.storedSize : member.size / 1032 <= member.storedSize
    guard isPossible else {
      throw DatasetError("\(path) is damaged: \(member.name) cannot have \(member.size) bytes in \(member.storedSize)")
    }
    return start..<start + member.storedSize
  }

  /// Unpacks deflated bytes. A size that lies asks for no more memory than twice what there is.
  ///
  /// - Parameter most: stop after so many bytes; nil for all.
  private func unpack(
    _ member: Member, _ range: Range<Int>, atMost most: Int? = nil
  ) throws -> (bytes: StoredBytes, range: Range<Int>) {
    let damaged = DatasetError(
      "\(path) is damaged: \(member.name) does not unpack to the \(member.size) bytes of its directory")
    var stream = z_stream()
    let status = inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib cannot start: status \(status)")
    defer { inflateEnd(&stream) }
    let wanted = most ?? member.size
    // One more byte shows content that is longer.
    let limit = most == nil ? wanted + 1 : wanted
    var capacity = min(limit, max(2 * range.count, 1 << 12))
    var memory = StoredBytes.allocate(capacity)
    var (used, filled) = (0, 0)
    var isOver = false
    while !isOver {
      if filled == capacity {
        guard capacity < limit else { break }
        capacity = min(limit, 2 * capacity)
        guard let larger = realloc(memory, capacity) else { fatalError("no memory for \(capacity) bytes") }
        memory = larger
      }
      let (given, asked) = (UInt32(clamping: range.count - used), UInt32(clamping: capacity - filled))
      stream.next_in = UnsafeMutablePointer(
        mutating: bytes.all.baseAddress?.assumingMemoryBound(to: UInt8.self).advanced(by: range.lowerBound + used))
      (stream.avail_in, stream.avail_out) = (given, asked)
      stream.next_out = (memory + filled).assumingMemoryBound(to: UInt8.self)
      let status = inflate(&stream, Z_NO_FLUSH)
      let (taken, made) = (Int(given - stream.avail_in), Int(asked - stream.avail_out))
      (used, filled) = (used + taken, filled + made)
      isOver = status == Z_STREAM_END
      guard isOver || status == Z_OK, isOver || taken + made > 0 else {
        free(memory)
        throw damaged
      }
    }
    guard filled == wanted, isOver || most != nil else {
      free(memory)
      throw damaged
    }
    return (StoredBytes(owning: memory, count: filled, from: bytes), 0..<filled)
  }
}

extension UnsafeRawBufferPointer {
  /// The little-endian number at `place`.
  fileprivate func number<Number: FixedWidthInteger>(at place: Int, _: Number.Type) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: place, as: Number.self))
  }
}
