import TestSupport
import Testing

@testable import Datasets

/// Spoiled data files: each is read or refused, and none asks for more memory than it has content for.
@Suite struct HostileFilesTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func spoiledIDX() throws {
    let read = try readSpoiled("idx", count: randomCases(1_000_000), readIDX)
    #expect(read > randomCases(1000))
  }

  @Test func spoiledCSV() throws {
    let read = try readSpoiled("csv", count: randomCases(1_000_000), readCSV)
    #expect(read > randomCases(1000))
  }

  @Test func spoiledJSONLines() throws {
    let read = try readSpoiled("jsonl", count: randomCases(1_000_000), readJSONL)
    #expect(read > randomCases(1000))
  }

  @Test func recordsThatAreNothingButKeysOrBracketsOrLinesOrALine() throws {
    for (text, isTable) in [
      ("{\"a\": \(String(repeating: "[", count: 1 << 18))", false),
      ("{\"a\": [1\(String(repeating: ",1", count: 1 << 15))]}", true),
      ("{\"a\": [1\(String(repeating: ",1", count: 1 << 17))]}", false),
      ((0..<1 << 14).map { "{\"\($0)\":1}\n" }.joined(), false),
      ("{" + (0..<1 << 14).map { "\"\($0)\":1," }.joined() + "\"a\":1}", true),
      (String(repeating: "{}\n", count: 1 << 16), true), (String(repeating: "\n", count: 1 << 18), false),
      ("{\"a\": \"\(String(repeating: "x", count: 1 << 18))\"}", true),
      ("{\"\(String(repeating: "k", count: 1 << 18))\": 1}", false),
      ("{\"a\": 1\(String(repeating: "0", count: 1 << 18))}", false),
      (String(repeating: "{\"a\":1}\n", count: 1 << 15), true),
    ] {
      #expect(try readJSONL(Array(text.utf8)) == isTable, "\(text.prefix(40))…")
    }
  }

  @Test func spoiledNPY() throws {
    let read = try readSpoiled("npy", count: randomCases(1_000_000), readNPY)
    #expect(read > randomCases(1000))
  }

  @Test func spoiledNPZ() throws {
    let read = try readSpoiled("npz", count: randomCases(1_000_000), readNPZ)
    #expect(read > randomCases(1000))
  }

  @Test(
    "shapes that lie ask for no memory",
    arguments: [
      [Int.max], [Int.max, 0], [1 << 40], [1 << 32, 1 << 32], [0, 1 << 62, 4], [1 << 20],
      .init(repeating: 2, count: 60), .init(repeating: 1, count: 65),
    ])
  func shapesThatLie(_ shape: [Int]) throws {
    for type in ["|u1", "<f8"] {
      let array = npy(type, shape, [1, 2, 3])
      #expect(try !readNPY(array))
      #expect(try !readNPZ(zip([("x", array), ("y", npy("|u1", [1], [0]))])))
    }
  }

  @Test("sizes of archives that lie ask for no memory, and those that are large and true are read")
  func sizesThatLie() throws {
    let values = (0..<4096).map { UInt8(truncatingIfNeeded: ($0 &* $0 &* 2_654_435_761) >> 13) }
    let (array, labels) = (npy("|u1", [1024, 4], values), npy("|u1", [1024], .init(repeating: 1, count: 1024)))
    func archive(_ array: [UInt8]) throws -> [UInt8] {
      // Without gzip's header and checksum.
      zip(packed: [("x", array, Array(try folder.gzip(array).dropFirst(10).dropLast(8))), ("y", labels, nil)])
    }
    var bytes = try archive(array)
    #expect(try readNPZ(bytes))
    let directory = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
    for size in [array.count + 1, 1 << 21, 1 << 22] {
      bytes.replaceSubrange(directory + 24..<directory + 28, with: bigEndian(UInt32(size)).reversed())
      #expect(try !readNPZ(bytes))
    }
    #expect(try readNPZ(archive(npy("|u1", [1024, 2048], .init(repeating: 0, count: 1 << 21)))))
    // A member with more elements than its header says is not unpacked.
    #expect(try !readNPZ(archive(npy("|u1", [1024, 4], .init(repeating: 0, count: 1 << 22)))))
  }

  @Test(
    "headers that lie ask for no memory",
    arguments: [
      [0xFFFF_FFFF], [0xFFFF_FFFF, 0xFFFF_FFFF], [0x7FFF_FFFF, 0x7FFF_FFFF], [0x7FFF_FFFF, 0x7FFF_FFFF, 4],
      [1 << 31, 1 << 31, 2],
      [0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [1 << 20],
    ] as [[UInt32]])
  func headersThatLie(_ dimensions: [UInt32]) throws {
    for element in [8, 0x0E] as [UInt8] {
      let bytes = idx(element, dimensions, [1, 2, 3])
      #expect(try !readIDX(bytes))
      #expect(try !readIDX(folder.gzip(bytes)))
    }
    // Packed so well that its size says nothing.
    #expect(try !readIDX(folder.gzip(idx(8, [1 << 30], .init(repeating: 0, count: 1 << 20)))))
  }

  @Test("as many elements as the header says, of each type", arguments: [8, 9, 0x0B, 0x0C, 0x0D, 0x0E] as [UInt8])
  func largeIDX(_ element: UInt8) throws {
    let size: UInt32 = [8: 1, 9: 1, 0x0B: 2, 0x0E: 8][element] ?? 4
    let bytes = idx(element, [(1 << 20) / size], .init(repeating: 0, count: 1 << 20))
    #expect(try readIDX(bytes))
    #expect(try readIDX(folder.gzip(bytes)))
  }

  @Test func tablesThatAreNothingButCellsOrLinesOrALine() throws {
    for (text, isTable) in [
      (String(repeating: ",", count: 1 << 18), false), (String(repeating: "1,", count: 1 << 17) + "1", false),
      (String(repeating: "1,", count: 1 << 15) + "1", true),
      (String(repeating: "1\n", count: 1 << 17), true), (String(repeating: "1,1\n", count: 1 << 16), true),
      (String(repeating: ",", count: 1 << 16) + String(repeating: "\n1", count: 1 << 16), false),
      (String(repeating: "1,", count: 1 << 16) + String(repeating: "\n1", count: 1 << 16), false),
      ("a,b\n1," + String(repeating: "x", count: 1 << 18), true),
      ("1," + String(repeating: "0", count: 1 << 18), false),
      (String(repeating: "n", count: 1 << 18) + ",b\n1,2", true),
      (String(repeating: "\"", count: 1 << 18), true),
    ] {
      #expect(try readCSV(Array(text.utf8)) == isTable, "\(text.prefix(40))…")
    }
  }
}
