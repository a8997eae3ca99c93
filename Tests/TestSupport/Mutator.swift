/// Spoils bytes in the ways that find parsers' mistakes: flipped bits, extreme numbers, cuts, repetitions, pieces of others.
public struct Mutator {
  /// Where the next change comes from.
  public var generator: SeededGenerator

  /// What `seed` draws.
  public init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  private static let extremes: [UInt64] = [
    0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000, .max, 0x7FF0_0000_0000_0000, 0x7FF8_0000_0000_0000,
  ]

  /// `bytes` with one to four changes; `other` lends pieces.
  public mutating func mutated(_ bytes: [UInt8], with other: [UInt8] = []) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&bytes, other) }
    return bytes
  }

  /// JSON with one of its numbers changed to another, or to something else in its place.
  public mutating func withAnotherNumber(_ json: [UInt8]) -> [UInt8] {
    func isNumeric(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-") }
    let starts = json.indices.filter { isNumeric(json[$0]) && ($0 == 0 || !isNumeric(json[$0 - 1])) }
    guard let start = starts.randomElement(using: &generator) else { return json }
    let end = json[start...].firstIndex { !isNumeric($0) } ?? json.count
    let number = Mutator.numbers.randomElement(using: &generator)!
    return json[..<start] + Array(number.utf8) + json[end...]
  }

  private static let numbers = [
    "-1", "0", "1", "1024", "1025", "65536", "65537", "2147483647", "2147483648", "-2147483648", "4294967296",
    "1099511627777", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "18446744073709551615", "18446744073709551616", "0.5", "-0.0", "1e18", "1e308", "1e400", "null", "true", "\"1\"",
  ]

  private mutating func mutate(_ bytes: inout [UInt8], _ other: [UInt8]) {
    guard !bytes.isEmpty else {
      bytes = other
      return
    }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 2, 3:
      // Fields stand at multiples of their size.
      let width = [1, 2, 4, 8].randomElement(using: &generator)!
      let start = place / width * width
      let value = Mutator.extremes.randomElement(using: &generator)!
      for offset in 0..<width where start + offset < bytes.count {
        bytes[start + offset] = UInt8(truncatingIfNeeded: value >> UInt64(8 * offset))
      }
    case 4: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...16, using: &generator)))
    case 5: bytes.removeSubrange(place...)
    case 6:
      let end = min(bytes.count, place + Int.random(in: 1...64, using: &generator))
      bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
    default:
      guard !other.isEmpty else { return }
      let start = Int.random(in: 0..<other.count, using: &generator)
      let end = min(other.count, start + Int.random(in: 1...32, using: &generator))
      bytes.replaceSubrange(place..<min(bytes.count, place + end - start), with: other[start..<end])
    }
  }
}
