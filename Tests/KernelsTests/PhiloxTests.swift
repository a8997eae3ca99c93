import Foundation
import Kernels
import Testing

@Suite struct PhiloxTests {
  /// The known answers that Random123 publishes for philox4x32-10.
  @Test(
    "gives the published numbers",
    arguments: [
      (
        0 as UInt64, 0 as UInt64, 0 as UInt64,
        SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
      ),
      (
        .max, .max, .max, SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
      ),
      (
        0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88,
        SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
      ),
    ])
  func knownAnswers(_ seed: UInt64, _ stream: UInt64, _ counter: UInt64, _ expected: SIMD4<UInt32>) {
    #expect(Philox(seed: seed, stream: stream).block(counter) == expected)
  }

  @Test("uniform numbers stay inside the bound, with the right mean and variance")
  func uniform() {
    let values = FloatBuffer(count: 100_003)
    Philox(seed: 3, stream: 4).fillUniform(values.all, bound: 2)
    let array = values.values.array.map(Double.init)
    let mean = array.reduce(0, +) / Double(array.count)
    let variance = array.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(array.count)
    #expect(array.allSatisfy { abs($0) < 2 })
    #expect(abs(mean) < 0.02)
    #expect(abs(variance - 4.0 / 3) < 0.02)
  }

  @Test("normal numbers have a normal's moments and tails, and each depends on its place alone")
  func normal() {
    let values = FloatBuffer(count: 100_003)
    let philox = Philox(seed: 3, stream: 4)
    philox.fillNormal(values.all)
    let array = values.values.array.map(Double.init)
    func mean(_ power: (Double) -> Double) -> Double { array.reduce(0) { $0 + power($1) } / Double(array.count) }
    #expect(abs(mean { $0 }) < 0.02)
    #expect(abs(mean { $0 * $0 } - 1) < 0.02)
    #expect(abs(mean { $0 * $0 * $0 }) < 0.05)
    #expect(abs(mean { $0 * $0 * $0 * $0 } - 3) < 0.15)
    #expect(abs(mean { abs($0) < 1 ? 1 : 0 } - 0.6827) < 0.01)
    #expect(array.allSatisfy { abs($0) < 6.8 })
    // Box & Muller's equations, for a pair in the middle: words 2 and 3 of block 1.
    let words = philox.block(1)
    let (u, v) = ((Double(words.z) + 0.5) / 0x1p32, (Double(words.w) + 0.5) / 0x1p32)
    #expect(values.values[6] == Float((-2 * log(u)).squareRoot() * cos(2 * .pi * v)))
    #expect(values.values[7] == Float((-2 * log(u)).squareRoot() * sin(2 * .pi * v)))
    let short = FloatBuffer(count: 7)
    philox.fillNormal(short.all)
    #expect(short.values.array == values.values[0..<7].array)
  }
}
