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
      (String(repeating: ",", count: 1 << 18), false), (String(repeating: "1,", count: 1 << 17) + "1", true),
      (String(repeating: "1\n", count: 1 << 17), false), (String(repeating: "1,1\n", count: 1 << 16), true),
      (String(repeating: ",", count: 1 << 16) + String(repeating: "\n1", count: 1 << 16), false),
      (String(repeating: "1,", count: 1 << 16) + String(repeating: "\n1", count: 1 << 16), false),
      ("a,b\n1," + String(repeating: "x", count: 1 << 18), false),
      ("1," + String(repeating: "0", count: 1 << 18), false),
      (String(repeating: "n", count: 1 << 18) + ",b\n1,2", true),
      (String(repeating: "\"", count: 1 << 18), false),
    ] {
      #expect(try readCSV(Array(text.utf8)) == isTable, "\(text.prefix(40))…")
    }
  }
}
