import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

@Suite struct PiecesTests {
  @Test("pieces are nodes of the tree that cover the leaves once")
  func coverEverything() {
    for leafCount in 1...40 {
      let tree = ReductionTree(leafCount: leafCount)
      for start in 0..<leafCount {
        for end in start + 1...leafCount {
          for threads in 1...4 {
            let pieces = pieces(of: start..<end, in: tree, threads: threads, rowsPerLeaf: 16, mostRows: 1024)
            #expect(pieces.flatMap { Array($0.leaves) } == Array(start..<end))
            #expect(pieces.allSatisfy { tree.contains($0.leaves) })
          }
        }
      }
    }
  }

  @Test("one thread sums all that fits; threads have equal work; large micro-batches stay alone")
  func sizes() {
    func sizes(_ leaves: Range<Int>, threads: Int, rows: Int, most: Int = 1024) -> [Int] {
      pieces(of: leaves, in: ReductionTree(leafCount: 24), threads: threads, rowsPerLeaf: rows, mostRows: most)
        .map(\.leaves.count)
    }
    #expect(sizes(0..<8, threads: 1, rows: 16) == [8])
    #expect(sizes(0..<12, threads: 1, rows: 16) == [8, 4])
    #expect(sizes(0..<12, threads: 2, rows: 16) == [2, 2, 2, 2, 2, 2])
    #expect(sizes(0..<8, threads: 2, rows: 16) == [4, 4])
    #expect(sizes(0..<8, threads: 3, rows: 16) == [1, 1, 1, 1, 1, 1, 1, 1])
    #expect(sizes(0..<8, threads: 1, rows: 300) == [2, 2, 2, 2])
    #expect(sizes(0..<4, threads: 1, rows: 5000) == [1, 1, 1, 1])
    #expect(sizes(0..<8, threads: 1, rows: 16, most: 40) == [2, 2, 2, 2])
  }
}
