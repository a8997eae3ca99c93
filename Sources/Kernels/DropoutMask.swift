internal import CKernels

/// The mask of one dropout operation in one step: inverted dropout, which divides kept values by the probability of being
/// kept (N. Srivastava et al., "Dropout", JMLR 15, 2014).
///
/// Which values are kept is a pure function of (seed, step, operation, position, column), so every worker keeps the same
/// ones.
package struct DropoutMask: Sendable {
  private let rate: Double
  private let key: UInt64
  private let stream: UInt64

  /// - Parameters:
  ///   - rate: the probability that a value is dropped, at least 0 and below 1.
  ///   - operation: distinguishes the dropout operations of a model; below 2³².
  package init(rate: Double, seed: UInt64, step: Int, operation: Int) {
    precondition(rate >= 0 && rate < 1 && operation >= 0 && operation < 1 << 32)
    self.rate = rate
    // The top bit separates this stream from those of the initial parameters.
    stream = 1 << 63 | UInt64(step)
    let words = Philox(seed: seed, stream: stream).block(UInt64(operation))
    key = UInt64(words[1]) << 32 | UInt64(words[0])
  }

  /// A value is kept if its random 32-bit number is at least this.
  private var threshold: UInt32 { UInt32(clamping: UInt64((rate * 0x1p32).rounded())) }

  /// `output` = `input` with kept values scaled and the others 0. Both may be the same memory.
  ///
  /// - Parameters:
  ///   - columns: values per example; both views hold whole rows.
  ///   - first: the first row's position in the epoch.
  package func apply(_ input: Floats, into output: MutableFloats, columns: Int, first: Int) {
    precondition(input.count == output.count && columns > 0 && input.count % columns == 0)
    kernels.dropout(
      input.base, output.base, input.count / columns, columns, key, stream, UInt64(first), threshold,
      Float(1 / (1 - rate)))
  }

  /// Whether the value in `column` of the row at `position` is kept.
  package func keeps(position: Int, column: Int, of columns: Int) -> Bool {
    let block = UInt64(position) * UInt64((columns + 3) / 4) + UInt64(column / 4)
    return Philox(seed: key, stream: stream).block(block)[column % 4] >= threshold
  }
}
