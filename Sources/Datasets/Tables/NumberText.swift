/// A decimal number as text has it: its digits as a whole number, and a power of ten.
///
/// Most numbers become a float32 by one multiplication or division in double precision. Its result is wrong by at most
/// three units in the last place, and to round it to float32 is right unless a value halfway between two floats is as near.
/// Other numbers need `Float(String)`.
struct NumberText {
  private(set) var isNegative = false
  private var mantissa: UInt64 = 0
  private var exponent = 0
  private var hasAllDigits = true
  /// Where the number ends.
  private(set) var end: Int

  /// The longest number that begins at `start`; nil if there is none.
  @inline(__always)
  init?(_ text: UnsafeBufferPointer<UInt8>, from start: Int, decimal: UInt8) {
    let count = text.count
    var index = start
    guard index < count else { return nil }
    if text[index] == UInt8(ascii: "-") {
      isNegative = true
      index += 1
    } else if text[index] == UInt8(ascii: "+") {
      index += 1
    }
    let whole = index
    while index < count, let digit = NumberText.digit(text[index]) {
      mantissa = mantissa &* 10 &+ digit
      index += 1
    }
    var digits = index - whole
    if index < count, text[index] == decimal {
      index += 1
      let fraction = index
      while index < count, let digit = NumberText.digit(text[index]) {
        mantissa = mantissa &* 10 &+ digit
        index += 1
      }
      exponent = fraction - index
      digits += index - fraction
    }
    guard digits > 0 else { return nil }
    // As many always fit into 64 bits.
    hasAllDigits = digits <= 19
    if index < count, text[index] | 0x20 == UInt8(ascii: "e") {
      guard let power = NumberText.power(text, &index) else { return nil }
      exponent += power
    }
    end = index
  }

  @inline(__always)
  private static func digit(_ byte: UInt8) -> UInt64? { byte &- 48 < 10 ? UInt64(byte &- 48) : nil }

  /// The number behind the letter e at `index`; nil if there is none. It is limited to what surely leads out of all ranges.
  private static func power(_ text: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Int? {
    index += 1
    guard index < text.count else { return nil }
    let isSmall = text[index] == UInt8(ascii: "-")
    if isSmall || text[index] == UInt8(ascii: "+") { index += 1 }
    let start = index
    var power = 0
    while index < text.count, let digit = digit(text[index]) {
      power = min(power * 10 + Int(digit), 100_000)
      index += 1
    }
    guard index > start else { return nil }
    return isSmall ? -power : power
  }

  private static let powers: [Double] = (0...64).map { Double("1e\($0)")! }

  /// The nearest float32, which is finite; nil if that takes a slower way.
  @inline(__always)
  var quickValue: Float? {
    guard hasAllDigits, abs(exponent) <= 64 else { return nil }
    if exponent == 0 { return isNegative ? -Float(mantissa) : Float(mantissa) }
    let power = NumberText.powers[abs(exponent)]
    let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
    // The 29 bits that a float has not are 1 and 28 zeros halfway between two.
    let distance = Int64(value.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
    guard abs(distance) > 8, mantissa == 0 || value >= 0x1p-126 && value < 0x1p127 else { return nil }
    return isNegative ? -Float(value) : Float(value)
  }
}
