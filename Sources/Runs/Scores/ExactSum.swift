/// A sum of doubles without rounding, so that neither the order nor the partition of its terms changes a bit of it.
///
/// A fixed-point number as wide as all doubles, in digits of 32 bits (Kulisch, "Computer Arithmetic and Validity",
/// 2008): 552 bytes. A term reaches three digits; carries wait in the upper halves of the digits' words.
struct ExactSum: Sendable {
  /// The weight of digit i is 2^(32 i − 1074). Double.greatestFiniteMagnitude ends in digit 65.
  private var digits = [Int64](repeating: 0, count: 69)
  /// Terms since the carries were settled; 2^29 of them fit.
  private var pending = 0

  /// Adds `term`, which must be finite.
  mutating func add(_ term: Double) {
    precondition(term.isFinite, "a term of \(term)")
    guard term != 0 else { return }
    let isSubnormal = term.exponentBitPattern == 0
    let significand = term.significandBitPattern | (isSubnormal ? 0 : 1 << 52)
    let shift = isSubnormal ? 0 : Int(term.exponentBitPattern) - 1
    let lower = (significand & 0xFFFF_FFFF) << (shift % 32)
    let upper = (significand >> 32) << (shift % 32)
    let sign: Int64 = term < 0 ? -1 : 1
    let first = shift / 32
    digits[first] += sign * Int64(lower & 0xFFFF_FFFF)
    digits[first + 1] += sign * Int64(lower >> 32 + upper & 0xFFFF_FFFF)
    digits[first + 2] += sign * Int64(upper >> 32)
    pending += 1
    if pending == 1 << 29 { settle() }
  }

  /// Adds the terms of `other`.
  mutating func add(_ other: ExactSum) {
    var other = other
    other.settle()
    settle()
    for index in digits.indices { digits[index] += other.digits[index] }
    settle()
  }

  /// Carries, so that all digits but the last are from 0 to 2^32 − 1 and the last has the sign.
  private mutating func settle() {
    for index in digits.indices.dropLast() {
      digits[index + 1] += digits[index] >> 32
      digits[index] &= 0xFFFF_FFFF
    }
    pending = 0
  }

  /// The sum as a double and what it lacks, together good for about 100 bits.
  var parts: (value: Double, rest: Double) {
    var sum = self
    sum.settle()
    let isNegative = sum.digits.last! < 0
    if isNegative {
      for index in sum.digits.indices { sum.digits[index].negate() }
      sum.settle()
    }
    var (value, rest) = (0.0, 0.0)
    for index in sum.digits.indices.reversed() where sum.digits[index] != 0 {
      let digit = Double(sign: .plus, exponent: 32 * index - 1074, significand: Double(sum.digits[index]))
      // Knuth's two-sum; `value` is the larger one.
      let total = value + digit
      rest += digit - (total - value)
      value = total
    }
    let total = value + rest
    rest -= total - value
    return isNegative ? (-total, -rest) : (total, rest)
  }

  /// The sum, rounded once.
  var value: Double { parts.value }
}
