package import Kernels
internal import Schema

extension ParameterLayout {
  /// The last tensor, and so the first that backpropagation comes to, of which a value is infinite or a NaN.
  ///
  /// - Parameters:
  ///   - values: a part of a vector of this layout.
  ///   - start: where in the vector they begin.
  /// - Returns: its index, or nil where all values are finite.
  package func lastNonFiniteTensor(in values: Floats, from start: Int = 0) -> Int? {
    guard !values.areFinite else { return nil }
    return tensors.lastIndex { tensor in
      let range = tensor.range.clamped(to: start..<start + values.count)
      return !values[range.lowerBound - start..<range.upperBound - start].areFinite
    }
  }
}
