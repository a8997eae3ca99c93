import TestSupport
import Testing

@testable import Protocol

@Suite struct ChunkSetTests {
  @Test func holdsWhatASetHolds() {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      let count = [0, 1, 63, 64, 65, 128, 200].randomElement(using: &random)!
      var chunks = ChunkSet(below: count)
      var expected = Set(0..<count)
      for _ in 0..<300 {
        let chunk = Int.random(in: 0..<260, using: &random)
        if Bool.random(using: &random) {
          chunks.insert(chunk)
          expected.insert(chunk)
        } else {
          #expect(chunks.remove(chunk) == (expected.remove(chunk) != nil), "seed \(seed)")
        }
        #expect(chunks.contains(chunk) == expected.contains(chunk), "seed \(seed)")
      }
      #expect(chunks.elements == expected.sorted(), "seed \(seed)")
      for chunk in expected { chunks.remove(chunk) }
      #expect(chunks.isEmpty, "seed \(seed)")
    }
  }
}
