internal import CKernels

/// A borrowed run of class labels, one an example. See ``Floats`` for how long it is valid.
public struct Labels {
  let base: UnsafePointer<Int32>
  /// How many labels there are.
  public let count: Int

  /// The label at `index`.
  public subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "index outside the labels")
    return Int(base[index])
  }

  /// The part that `range` names; its first label has index 0.
  public subscript(range: Range<Int>) -> Labels {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the labels")
    return Labels(base: base + range.lowerBound, count: range.count)
  }
}

/// An owned run of class labels; see ``FloatBuffer``.
package final class LabelBuffer: @unchecked Sendable {
  // Sendable: the storage never moves, and access is ordered by the holder.
  private let storage: UnsafeMutablePointer<Int32>
  /// How many labels the buffer holds.
  package let count: Int

  /// A buffer of `count` labels, all 0.
  package init(count: Int) {
    self.count = count
    storage = .allocate(capacity: max(count, 1))
    storage.initialize(repeating: 0, count: count)
  }

  deinit { storage.deallocate() }

  /// The label at `index`.
  package subscript(index: Int) -> Int32 {
    get {
      precondition(index >= 0 && index < count, "index outside the labels")
      return storage[index]
    }
    set {
      precondition(index >= 0 && index < count, "index outside the labels")
      storage[index] = newValue
    }
  }

  /// The first `count` labels, to read.
  package func prefix(_ count: Int) -> Labels {
    precondition(count <= self.count, "\(count) labels of \(self.count)")
    return Labels(base: storage, count: count)
  }
}
