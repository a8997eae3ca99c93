import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct GzipTests {
  private let folder: TemporaryFolder
  /// Longer than the reader's buffers, and such that packing leaves more than one of them.
  private let content: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    var generator = SeededGenerator(seed: 1)
    content = (0..<300_000).map { _ in UInt8.random(in: 0...63, using: &generator) }
  }

  private func read(_ path: String) throws -> [UInt8] {
    let reader = try ByteReader(path: path)
    // One byte more, so that the end is reached too.
    let start = try reader.bytes(10)
    return try start + reader.bytes(content.count + 1)
  }

  @Test("a plain file is read as it is")
  func plain() throws {
    #expect(try read(folder.write(content, to: "plain")) == content)
  }

  @Test("gzip is unpacked, whatever the file's name", arguments: ["data.gz", "data"])
  func packed(_ name: String) throws {
    #expect(try read(folder.write(folder.gzip(content), to: name)) == content)
  }

  @Test("gzip in memory is unpacked")
  func inMemory() throws {
    let reader = try ByteReader(bytes: folder.gzip(content), name: "memory")
    #expect(try reader.bytes(content.count + 1) == content)
  }

  @Test("several members follow each other")
  func members() throws {
    let packed = try folder.gzip(Array(content[..<7])) + folder.gzip([]) + folder.gzip(Array(content[7...]))
    #expect(try read(folder.write(packed, to: "data.gz")) == content)
  }

  @Test("gzip that ends early is refused, wherever it ends")
  func truncated() throws {
    let small = Array(content[..<200])
    let packed = try folder.gzip(small)
    for count in 2..<packed.count {
      let path = try folder.write(Array(packed[..<count]), to: "short.gz")
      expectError(path, "truncated") { _ = try read(path) }
    }
  }

  @Test("a second member that ends early is refused")
  func truncatedMember() throws {
    let packed = try folder.gzip([1, 2, 3])
    let path = try folder.write(packed + packed.dropLast(), to: "short.gz")
    expectError(path, "truncated") { _ = try read(path) }
  }

  @Test("a flipped bit in the data or the checksum is refused")
  func flipped() throws {
    let small = Array(content[..<200])
    let packed = try folder.gzip(small)
    // The ten bytes of gzip's header hold times and flags that change nothing.
    for place in 10..<packed.count {
      var damaged = packed
      damaged[place] ^= 0x10
      let path = try folder.write(damaged, to: "flipped.gz")
      expectError(path) { _ = try read(path) }
    }
  }

  @Test("bytes after gzip that are no member are refused")
  func garbage() throws {
    let path = try folder.write(folder.gzip([1, 2, 3]) + Array("garbage".utf8), to: "data.gz")
    expectError(path, "damaged") { _ = try read(path) }
  }

  @Test(
    "a .gz that is not gzip is refused", arguments: [[], [0x1F], [0x1F, 0x8C, 8], Array("1,2\n".utf8)] as [[UInt8]])
  func notGzip(_ bytes: [UInt8]) throws {
    let path = try folder.write(bytes, to: "data.gz")
    expectError(path, "not gzip") { _ = try ByteReader(path: path) }
  }

  @Test("an empty file has no bytes")
  func empty() throws {
    #expect(try read(folder.write([UInt8](), to: "empty")) == [])
  }

  @Test("a folder in a file's place is refused")
  func folderInPlace() {
    expectError(folder.path, "is a folder") { _ = try ByteReader(path: folder.path) }
  }

  @Test("a missing file is refused")
  func missing() {
    expectError("\(folder.path)/none", "no such file") { _ = try ByteReader(path: "\(folder.path)/none") }
  }
}
