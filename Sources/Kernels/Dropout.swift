internal import CKernels

/// Which values a layer's dropout keeps: a pure function of (seed, step, position, layer), so that every worker drops the
/// same ones.
///
/// Kept values are divided by the chance to be kept (N. Srivastava et al., "Dropout", JMLR 15, 2014, in the inverted form).
package struct Dropout: Sendable {
  private let rate: Double
  private let seed: UInt64
  private let stream: UInt64

  /// The dropout of one layer in one step.
  ///
  /// - Parameters:
  ///   - rate: the share of values that is dropped, at least 0 and below 1.
  ///   - layer: below 256.
  package init(rate: Double, seed: UInt64, step: Int, layer: Int) {
    precondition(rate >= 0 && rate < 1 && layer >= 0 && layer < 256)
    self.rate = rate
    self.seed = seed
    // The top bit keeps it apart from the streams of initial parameters.
    stream = 1 << 63 | UInt64(step) << 8 | UInt64(layer)
  }

  /// The smallest 32-bit number that keeps a value.
  private var threshold: UInt32 { UInt32(clamping: UInt64((rate * 0x1p32).rounded())) }

  /// `output` = the kept ones of `input`, scaled; `input` and `output` may be the same.
  ///
  /// - Parameters:
  ///   - columns: values an example; the views hold whole rows of them.
  ///   - first: the first row's position in the epoch.
  package func apply(_ input: Floats, into output: MutableFloats, columns: Int, first: Int) {
    precondition(input.count == output.count && columns > 0 && input.count % columns == 0)
    lk_dropout(
      input.base, output.base, input.count / columns, columns, seed, stream, UInt64(first), threshold,
      Float(1 / (1 - rate)))
  }

  /// Whether the value in `column` of the row at `position` is kept.
  package func keeps(position: Int, column: Int, of columns: Int) -> Bool {
    let block = UInt64(position) * UInt64((columns + 3) / 4) + UInt64(column / 4)
    return Philox(seed: seed, stream: stream).block(block)[column % 4] >= threshold
  }
}
