internal import CKernels

/// A borrowed, read-only view of class labels. See ``Floats`` for how long it is valid.
public struct Labels {
  let base: UnsafePointer<Int32>
  /// The number of labels.
  public let count: Int

  /// The label at `index`.
  public subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "index outside the labels")
    return Int(base[index])
  }

  /// The labels in `range`; the first of them gets index 0.
  public subscript(range: Range<Int>) -> Labels {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the labels")
    return Labels(base: base + range.lowerBound, count: range.count)
  }
}

/// An owned vector of class labels. ``FloatBuffer`` says how threads may use it.
package final class LabelBuffer: @unchecked Sendable {
  // Sendable: the storage never moves, and its users order their accesses.
  private let storage: UnsafeMutablePointer<Int32>
  package let count: Int

  /// A buffer of `count` labels, all 0.
  package init(count: Int) {
    self.count = count
    storage = .allocate(capacity: max(count, 1))
    storage.initialize(repeating: 0, count: count)
  }

  deinit { storage.deallocate() }

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

  /// A read-only view of the first `count` labels.
  package func prefix(_ count: Int) -> Labels {
    precondition(count <= self.count, "\(count) labels of \(self.count)")
    return Labels(base: storage, count: count)
  }
}
