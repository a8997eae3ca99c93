/// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
///
/// A value is a pure function of (key, counter), so any thread of any worker draws the same one without shared state.
public struct Philox: Sendable {
  private let key: (UInt32, UInt32)
  private let stream: UInt64

  /// The generator for `seed`; `stream` separates its uses (initialization, splitting, ordering).
  public init(seed: UInt64, stream: UInt64) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    self.stream = stream
  }

  /// The four 32-bit numbers at `counter`.
  public func block(_ counter: UInt64) -> SIMD4<UInt32> {
    var c = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    var k = key
    for _ in 0..<10 {
      let a = UInt64(c.x) * 0xD251_1F53
      let b = UInt64(c.z) * 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: b >> 32) ^ c.y ^ k.0, UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ c.w ^ k.1, UInt32(truncatingIfNeeded: a))
      k.0 &+= 0x9E37_79B9
      k.1 &+= 0xBB67_AE85
    }
    return c
  }

  /// Fills `values` with uniform numbers in (−bound, bound): value i takes word i mod 4 of block `first` + i / 4.
  public func fillUniform(_ values: MutableFloats, bound: Float, first: UInt64 = 0) {
    var index = 0
    var counter = first
    while index < values.count {
      let words = block(counter)
      for lane in 0..<min(4, values.count - index) {
        // 23 random bits and a half are exact in float32, so the result is never ±1.
        let unit = (Float(words[lane] >> 9) + 0.5) * 0x1p-22 - 1
        values[index + lane] = unit * bound
      }
      index += 4
      counter += 1
    }
  }

  /// Fills `values` with standard normal numbers, in pairs (G. E. P. Box & M. E. Muller, "A Note on the Generation of
  /// Random Normal Deviates", 1958): values 2i and 2i + 1 are √(−2 ln u)·cos 2πv and √(−2 ln u)·sin 2πv, with u and v
  /// in (0, 1) from word 2i mod 4 of block 2i / 4 and the next word. Computed in double and rounded; |values| < 6.8.
  public func fillNormal(_ values: MutableFloats) {
    for index in stride(from: 0, to: values.count, by: 2) {
      let words = block(UInt64(index) / 4)
      let u = (Double(words[index % 4]) + 0.5) * 0x1p-32
      let v = (Double(words[index % 4 + 1]) + 0.5) * 0x1p-32
      let radius = (-2 * Elementary.logarithm(u)).squareRoot()
      values[index] = Float(radius * Elementary.cosineOfPi(2 * v))
      if index + 1 < values.count { values[index + 1] = Float(radius * Elementary.sineOfPi(2 * v)) }
    }
  }
}
