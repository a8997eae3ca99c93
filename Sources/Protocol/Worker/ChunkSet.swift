/// A set of chunks. Needs no memory of its own for those below 64.
struct ChunkSet {
  /// Whether each chunk below 64 is in it, by the bits of a word.
  private var first: UInt64 = 0
  /// The same for the others.
  private var rest: [UInt64] = []

  init() {}

  /// The chunks below `count`.
  init(below count: Int) {
    func word(_ count: Int) -> UInt64 { count < 64 ? 1 << UInt64(count) - 1 : .max }
    first = word(count)
    rest = stride(from: 64, to: count, by: 64).map { word(count - $0) }
  }

  private subscript(word: Int) -> UInt64 {
    get { word == 0 ? first : word <= rest.count ? rest[word - 1] : 0 }
    set {
      guard word > 0 else {
        first = newValue
        return
      }
      while rest.count < word { rest.append(0) }
      rest[word - 1] = newValue
    }
  }

  var isEmpty: Bool { first == 0 && rest.allSatisfy { $0 == 0 } }

  /// In ascending order.
  var elements: [Int] { (0..<64 * (1 + rest.count)).filter(contains) }

  func contains(_ chunk: Int) -> Bool { self[chunk >> 6] >> UInt64(chunk & 63) & 1 != 0 }

  mutating func insert(_ chunk: Int) { self[chunk >> 6] |= 1 << UInt64(chunk & 63) }

  /// - Returns: whether it was in it.
  @discardableResult mutating func remove(_ chunk: Int) -> Bool {
    guard contains(chunk) else { return false }
    self[chunk >> 6] &= ~(1 << UInt64(chunk & 63))
    return true
  }
}
