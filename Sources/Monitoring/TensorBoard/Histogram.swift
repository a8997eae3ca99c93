package import Kernels

/// How many values lie where: four ranges for each power of two, on both sides of zero. Values that are not finite are not
/// counted.
package struct Histogram: Sendable {
  /// By the sign, the exponent and two bits of the fraction.
  private var counts: [Int32: Int] = [:]
  private var count = 0
  private var sum = 0.0
  private var squares = 0.0
  private var least = Double.infinity
  private var most = -Double.infinity

  package init() {}

  /// Adds `values`, each multiplied by `factor`.
  package mutating func add(_ values: Floats, times factor: Float = 1) {
    for index in 0..<values.count {
      let value = values[index] * factor
      guard value.isFinite else { continue }
      counts[Histogram.key(value), default: 0] += 1
      count += 1
      let wide = Double(value)
      sum += wide
      squares += wide * wide
      least = min(least, wide)
      most = max(most, wide)
    }
  }

  /// Ascends with the value.
  private static func key(_ value: Float) -> Int32 {
    let bits = Int32(bitPattern: value.magnitude.bitPattern) >> 21
    return value < 0 ? -1 - bits : bits
  }

  /// The smallest value of the range `key`.
  private static func start(_ key: Int32) -> Double {
    if key >= 0 { return Double(Float(bitPattern: UInt32(bitPattern: key << 21))) }
    // The range of the magnitude ends where the next one begins.
    return -Double(Float(bitPattern: UInt32(bitPattern: -key << 21)))
  }

  /// The upper end and the count of each range, which begins where the one before ends.
  var ranges: (limits: [Double], counts: [Double]) {
    var (limits, sizes): ([Double], [Double]) = ([], [])
    for (key, size) in counts.sorted(by: { $0.key < $1.key }) {
      let start = Histogram.start(key)
      if limits.last != start {
        limits.append(start)
        sizes.append(0)
      }
      limits.append(min(Histogram.start(key + 1), Double(Float.greatestFiniteMagnitude)))
      sizes.append(Double(size))
    }
    return (limits, sizes)
  }

  /// `tensorflow.HistogramProto`.
  var message: ProtobufMessage {
    let (limits, sizes) = ranges
    return ProtobufMessage {
      $0.add(1, count > 0 ? least : 0)
      $0.add(2, count > 0 ? most : 0)
      $0.add(3, Double(count))
      $0.add(4, sum)
      $0.add(5, squares)
      $0.add(6, limits)
      $0.add(7, sizes)
    }
  }
}
