import Kernels
import Models
import Schema
import Testing

@Suite struct ParameterLayoutTests {
  @Test("the last tensor with a value that is not finite is found, in a part of the vector too")
  func lastNonFiniteTensor() {
    var layout = ParameterLayout()
    for (name, size) in [("a", 3), ("b", 2), ("c", 4)] { layout.append(name, shape: [size]) }
    for (flaws, range, expected) in [
      ([], 0..<9, nil), ([0], 0..<9, 0), ([2], 0..<9, 0), ([3], 0..<9, 1), ([8], 0..<9, 2), ([0, 4], 0..<9, 1),
      ([4], 4..<6, 1), ([5], 4..<6, 2), ([4, 5], 4..<6, 2), ([3, 6], 4..<6, nil), ([1], 1..<2, 0),
    ] as [([Int], Range<Int>, Int?)] {
      let values = FloatBuffer(count: 9)
      for flaw in flaws { values.all[flaw] = .nan }
      let found = layout.lastNonFiniteTensor(in: values.values[range], from: range.lowerBound)
      #expect(found == expected, "\(flaws) in \(range)")
    }
  }
}
