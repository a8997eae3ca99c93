internal import AllocationCount

/// What a piece of work asked of the allocator on the thread that did it. Zeros on other systems than Linux with glibc.
public struct Allocation: Equatable, Sendable {
  /// The most bytes that it held at once.
  public let peak: Int
  /// Its largest block.
  public let largest: Int
  /// How many blocks it allocated.
  public let blocks: Int

  /// Does `work` and counts.
  public init(of work: () -> Void) {
    allocation_count_start()
    work()
    let count = allocation_count_stop()
    (peak, largest, blocks) = (count.peak, Int(clamping: count.largest), Int(clamping: count.blocks))
  }

  /// Does `work` and counts; if it asks for a block of more than `limit` bytes, once more, and the second count stays.
  /// Swift's runtime doubles its tables of types now and then, in the thread that happens to need room.
  public init(again limit: Int, of work: () -> Void) {
    self.init(of: work)
    if largest > limit { self.init(of: work) }
  }

  /// Checks that the work held at most `peak` times the input's `honest` size at once, and `block` times that size in one
  /// block, besides the bytes that it takes whatever the input.
  ///
  /// - Throws: ``Excess`` where it was more.
  public func check(honest: Int, peak: Int, block: Int, constant: Int) throws {
    guard self.peak <= peak * honest + constant, largest <= block * honest + constant else {
      throw Excess("\(self.peak) bytes at once, \(largest) of them in one block, for an input of \(honest)")
    }
  }
}

/// What a reader of hostile bytes did that it must not.
public struct Excess: Error, CustomStringConvertible {
  /// What it did.
  public let description: String

  /// An error with its sentence.
  public init(_ description: String) { self.description = description }
}
