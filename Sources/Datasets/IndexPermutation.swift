/// A permutation of 0..<count that is evaluated by index, in constant memory.
///
/// A Feistel network over the smallest even number of bits that holds the indices (at least 6), walked along its cycle
/// until it lands inside (Black & Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
package struct IndexPermutation: Sendable {
  package let count: Int
  private let halfBits: UInt64
  private let mask: UInt64
  private let keys: [UInt64]

  /// A pure function of the parameters.
  package init(count: Int, seed: UInt64, stream: UInt64) {
    precondition(count >= 0, "a permutation of \(count) indices")
    self.count = count
    let bits = max(6, Int.bitWidth - max(count - 1, 0).leadingZeroBitCount)
    halfBits = UInt64((bits + 1) / 2)
    mask = (1 << halfBits) - 1
    var state = seed ^ Self.mix(stream &+ 0x9E37_79B9_7F4A_7C15)
    keys = (0..<8).map { _ in
      state &+= 0x9E37_79B9_7F4A_7C15
      return Self.mix(state)
    }
  }

  /// The index that `index` is mapped to.
  package subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "index \(index) of \(count)")
    var value = UInt64(index)
    repeat {
      var left = value >> halfBits
      var right = value & mask
      for key in keys {
        (left, right) = (right, left ^ (Self.mix(right &+ key) & mask))
      }
      value = left << halfBits | right
    } while value >= UInt64(count)
    return Int(value)
  }

  /// SplitMix64's finalizer (Steele, Lea & Flood, OOPSLA 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// The order in which an epoch visits its examples: a pure function of (seed, epoch).
package struct ExampleOrder: Sendable {
  private let permutation: IndexPermutation

  /// The order of `count` examples in `epoch`, from 0.
  package init(count: Int, seed: UInt64, epoch: Int) {
    permutation = IndexPermutation(count: count, seed: seed, stream: UInt64(epoch) << 8 | Streams.order)
  }

  /// The example at `position` in the epoch.
  package subscript(position: Int) -> Int { permutation[position] }
}

/// The uses of a seed: the low byte of a stream's number.
enum Streams {
  static let order: UInt64 = 1
  static let split: UInt64 = 2
}
