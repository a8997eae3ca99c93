package import Kernels
internal import Schema

extension ParameterLayout {
  /// The index of the last tensor with a value that is not finite; nil if there is none. Backpropagation computes the
  /// last tensor first.
  ///
  /// - Parameters:
  ///   - values: a range of a vector of this layout.
  ///   - start: the range's offset in the vector.
  package func lastNonFiniteTensor(in values: Floats, from start: Int = 0) -> Int? {
    guard !values.areFinite else { return nil }
    return tensors.lastIndex { tensor in
      let range = tensor.range.clamped(to: start..<start + values.count)
      return !values[range.lowerBound - start..<range.upperBound - start].areFinite
    }
  }
}
