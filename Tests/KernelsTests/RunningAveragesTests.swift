import Kernels
import Testing

@Suite struct RunningAveragesTests {
  @Test("a step's share is a tenth of the sum over its examples, with one rounding less, to the bit")
  func bits() {
    let before = FloatBuffer([0, 1, 1, -0.129, -0.004, 0.633, 0.052])
    let sums = FloatBuffer([70, 0, 7, 9.565, 4.595, -15.425, 4.786])
    let after = FloatBuffer(count: before.count)
    runningAverages(before.values, sums.values, examples: 7, into: after.all)
    // By exact fractions. The product with 0.1 rounded on its own gives other bits of the last four.
    let expected: [UInt32] = [
      0x3F80_0000, 0x3F66_6666, 0x3F80_0000, 0x3CA8_4980, 0x3D7E_20A5, 0x3EB2_DD11, 0x3DEB_DEFF,
    ]
    #expect(after.array.map(\.bitPattern) == expected)
    withExtendedLifetime((before, sums)) {}
  }
}
