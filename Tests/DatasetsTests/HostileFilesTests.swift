import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Spoiled data files: each is read or refused, and none asks for more memory than it has content for.
@Suite struct HostileFilesTests {
  private let folder: TemporaryFolder
  private let seed = UInt64.random(in: 0...UInt64.max)

  init() throws { folder = try TemporaryFolder() }

  @Test func spoiledIDX() throws {
    print("HostileFilesTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    let corpus = [
      idx(8, [3, 2], .init(repeating: 7, count: 6)), idx(0x0D, [4], .init(repeating: 0x40, count: 16)),
      idx(0x0B, [2, 2, 2], .init(repeating: 1, count: 16)),
      try folder.gzip(idx(8, [300], .init(repeating: 9, count: 300))),
    ]
    var read = 0
    for number in 0..<5000 {
      let bytes = mutator.mutated(
        corpus.randomElement(using: &mutator.generator)!, with: corpus.randomElement(using: &mutator.generator)!)
      let path = try folder.write(bytes, to: number % 2 == 0 ? "array" : "array.gz")
      do {
        let array = try IDXArray(path: path)
        #expect(array.elements.count == array.dimensions.reduce(1, *), "seed \(seed)")
        #expect(array.elements.count <= 1100 * bytes.count, "seed \(seed): deflate's most is about 1:1030")
        read += 1
      } catch is DatasetError {}
    }
    #expect(read > 100, "seed \(seed)")
  }

  @Test func headersThatLieAskForNoMemory() throws {
    let huge: [[UInt32]] = [
      [0xFFFF_FFFF], [0xFFFF_FFFF, 0xFFFF_FFFF], [0x7FFF_FFFF, 0x7FFF_FFFF, 4], [1 << 31, 1 << 31, 2],
    ]
    for dimensions in huge {
      for element in [8, 0x0E] as [UInt8] {
        let bytes = idx(element, dimensions, [1, 2, 3])
        expectError("array") { _ = try IDXArray(path: folder.write(bytes, to: "array")) }
        expectError("array") { _ = try IDXArray(path: folder.write(folder.gzip(bytes), to: "array.gz")) }
      }
    }
  }

  @Test func spoiledCSV() throws {
    print("HostileFilesTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    let corpus = [
      "a,b,label\n1,2,0\n3,4,1\n5.5,-6e3,2\n", "1;2;3\r\n4;5;6\r\n", "1\t2\n\n3\t4", "\"x\",\"y\"\n\"1\",\"2\"\n",
      "\u{FEFF}x,y\n1e38,0.1\n-0,+7\n",
    ].map { Array($0.utf8) }
    var read = 0
    for _ in 0..<50_000 {
      let bytes = mutator.mutated(
        corpus.randomElement(using: &mutator.generator)!, with: corpus.randomElement(using: &mutator.generator)!)
      do {
        let table = try CSVTable(label: nil) { try ByteReader(bytes: bytes, name: "table.csv") }
        #expect(table.labels.count == table.rows && table.features.count == table.rows * (table.columns - 1))
        #expect(table.features.capacity <= 2 * bytes.count + 16, "seed \(seed)")
        #expect(table.features.allSatisfy(\.isFinite) && table.labels.allSatisfy(\.isFinite), "seed \(seed)")
        read += 1
      } catch is DatasetError {}
    }
    #expect(read > 1000, "seed \(seed)")
  }
}
