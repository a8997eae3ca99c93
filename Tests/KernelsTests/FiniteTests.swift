import Kernels
import TestSupport
import Testing

@Suite struct FiniteTests {
  @Test("a single value that is not finite is found anywhere", arguments: [1, 7, 16, 63, 4095, 4096, 4097, 12_345])
  func everywhere(_ count: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    // Any bits at all but the exponent of what is not finite: zeros, subnormals and the largest values of both signs.
    let values = FloatBuffer(
      (0..<count).map { _ in
        let value = Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random))
        return value.isFinite ? value : .greatestFiniteMagnitude
      })
    #expect(values.values.areFinite, "seed \(seed)")
    let places = [0, count - 1, count / 2] + (0..<20).map { _ in Int.random(in: 0..<count, using: &random) }
    for place in places {
      let before = values.values[place]
      for flaw in [Float.infinity, -.infinity, .nan, -Float.nan, .signalingNaN] {
        values.all[place] = flaw
        #expect(!values.values.areFinite, "\(flaw) at \(place), seed \(seed)")
        #expect(values.values[0..<place].areFinite && values.values[place + 1..<count].areFinite, "seed \(seed)")
      }
      values.all[place] = before
    }
  }

  @Test func nothingIsFinite() {
    let values = FloatBuffer(count: 0)
    #expect(values.values.areFinite)
  }
}
