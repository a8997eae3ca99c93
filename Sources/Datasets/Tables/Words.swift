internal import Foundation

/// Different words, numbered in the order in which they were met.
struct Words: Sendable {
  private var bytes: [UInt8] = []
  /// Where each word ends in ``bytes``.
  private var ends: [Int] = []
  /// Open addressing: the high half of a word's hash, and its number plus one; 0 is free.
  private var slots: [UInt64] = []

  var count: Int { ends.count }

  var isEmpty: Bool { ends.isEmpty }

  /// Whether all words are ASCII.
  var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }

  /// The first word that is not UTF-8.
  var firstNoText: Int? {
    guard !isASCII else { return nil }
    return ends.indices.first { String(validating: bytes[start($0)..<ends[$0]], as: UTF8.self) == nil }
  }

  subscript(number: Int) -> String { String(decoding: bytes[start(number)..<ends[number]], as: UTF8.self) }

  private func start(_ number: Int) -> Int { number > 0 ? ends[number - 1] : 0 }

  /// Calls `body` with the bytes of each word.
  func forEach<Failure: Error>(
    _ body: (_ number: Int, _ word: UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    try bytes.withUnsafeBufferPointer { (all) throws(Failure) in
      for number in ends.indices {
        try body(number, UnsafeBufferPointer(rebasing: all[start(number)..<ends[number]]))
      }
    }
  }

  /// Adds the words of another list.
  ///
  /// - Returns: the number of each of them here.
  mutating func append(_ other: Words) -> [Int32] {
    var numbers: [Int32] = []
    numbers.reserveCapacity(other.count)
    other.forEach { _, word in numbers.append(number(of: word)) }
    return numbers
  }

  /// The words' numbers in the order of their bytes.
  func sorted() -> [Int] {
    bytes.withUnsafeBufferPointer { all in
      ends.indices.sorted { first, second in
        let (start, other) = (start(first), start(second))
        let (count, otherCount) = (ends[first] - start, ends[second] - other)
        let common = min(count, otherCount)
        let order = common == 0 ? 0 : memcmp(all.baseAddress! + start, all.baseAddress! + other, common)
        return order == 0 ? count < otherCount : order < 0
      }
    }
  }

  /// The number of `word`, which is added if it is new.
  mutating func number(of word: UnsafeBufferPointer<UInt8>) -> Int32 {
    if 2 * (ends.count + 1) > slots.count { grow() }
    let hash = Words.hash(word)
    var slot = Int(hash & UInt64(slots.count - 1))
    while slots[slot] != 0 {
      let number = Int(slots[slot] & 0xFFFF_FFFF) - 1
      if (slots[slot] ^ hash) >> 32 == 0, isEqual(number, word) { return Int32(number) }
      slot = (slot + 1) & (slots.count - 1)
    }
    bytes.append(contentsOf: word)
    ends.append(bytes.count)
    slots[slot] = Words.entry(hash, ends.count - 1)
    return Int32(ends.count - 1)
  }

  private static func entry(_ hash: UInt64, _ number: Int) -> UInt64 { hash & ~0xFFFF_FFFF | UInt64(number + 1) }

  /// The number of `word`, which is added if it is new.
  mutating func number(of word: [UInt8]) -> Int32 { word.withUnsafeBufferPointer { number(of: $0) } }

  private func isEqual(_ number: Int, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = start(number)
    guard ends[number] - start == word.count else { return false }
    guard let base = word.baseAddress, !word.isEmpty else { return true }
    return bytes.withUnsafeBufferPointer { memcmp($0.baseAddress! + start, base, word.count) == 0 }
  }

  private mutating func grow() {
    var grown = [UInt64](repeating: 0, count: max(16, 2 * slots.count))
    forEach { number, word in
      let hash = Words.hash(word)
      var slot = Int(hash & UInt64(grown.count - 1))
      while grown[slot] != 0 { slot = (slot + 1) & (grown.count - 1) }
      grown[slot] = Words.entry(hash, number)
    }
    slots = grown
  }

  /// Differs from process to process, so that nobody can make a file whose words all collide.
  private static let seed = UInt64.random(in: 0...UInt64.max)

  /// Multiplies eight bytes at a time, and folds the high half of the product into the low one.
  private static func hash(_ word: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = seed ^ UInt64(word.count)
    func mix(_ value: UInt64) {
      let product = (hash ^ value).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      hash = product.high ^ product.low
    }
    let bytes = UnsafeRawBufferPointer(word)
    var index = 0
    while index + 8 <= bytes.count {
      mix(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    var rest: UInt64 = 0
    while index < bytes.count {
      rest = rest << 8 | UInt64(bytes[index])
      index += 1
    }
    mix(rest)
    return hash
  }
}
