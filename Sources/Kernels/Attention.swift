internal import CKernels

/// Rows of a matrix that may be a part of wider rows.
package struct StridedRows {
  let base: UnsafePointer<Float>
  let stride: Int
  let rows: Int
  let columns: Int

  /// The `columns` values from `first` on of each row of `stride` values.
  package init(_ values: Floats, stride: Int, first: Int = 0, columns: Int) {
    precondition(stride > 0 && values.count % stride == 0 && first >= 0 && first + columns <= stride)
    (base, self.stride, self.columns) = (values.base + first, stride, columns)
    rows = values.count / stride
  }
}

/// Scaled dot-product attention of several heads, each example by itself (A. Vaswani et al., "Attention Is All You Need",
/// 2017), in blocks of keys (T. Dao et al., "FlashAttention", 2022): memory is linear in the number of positions.
package struct Attention: Sendable {
  private let heads: Int
  private let width: Int
  private let isCausal: Bool

  /// - Parameters:
  ///   - width: of a head.
  ///   - isCausal: whether a position attends only to itself and those before it.
  package init(heads: Int, width: Int, isCausal: Bool) {
    precondition(heads > 0 && width > 0)
    (self.heads, self.width, self.isCausal) = (heads, width, isCausal)
  }

  /// The values that ``forward(queries:keys:values:examples:into:statistics:scratch:)`` keeps of an example.
  package func keptCount(queries: Int) -> Int { 2 * heads * queries }

  private func shape(_ queries: StridedRows, _ keys: StridedRows, _ values: StridedRows, _ examples: Int)
    -> lk_attention
  {
    let columns = heads * width
    precondition(
      queries.columns == columns && keys.columns == columns && values.columns == columns && keys.rows == values.rows
        && queries.rows % examples == 0 && keys.rows % examples == 0 && (!isCausal || queries.rows == keys.rows),
      "attention of \(queries.rows)×\(queries.columns) queries to \(keys.rows)×\(keys.columns) keys")
    return lk_attention(
      queries: queries.rows / examples, keys: keys.rows / examples, heads: heads, width: width,
      query_row: queries.stride, key_row: keys.stride, value_row: values.stride, output_row: columns,
      is_causal: isCausal ? 1 : 0, scale: 1 / Float(width).squareRoot())
  }

  private func scratchCount(_ shape: lk_attention) -> (forward: Int, backward: Int) {
    let block = Int(LK_ATTENTION_KEYS)
    let keys = (shape.keys + block - 1) / block * block
    let width = (shape.width + Int(LK_LANES) - 1) / Int(LK_LANES) * Int(LK_LANES)
    return (
      2 * keys * width + 2 * block * width + block * block + 80,
      4 * keys * width + 5 * block * width + 2 * block * block + 176
    )
  }

  /// - Parameters:
  ///   - outputs: examples × positions × heads · width.
  ///   - statistics: examples × ``keptCount(queries:)``.
  package func forward(
    queries: StridedRows, keys: StridedRows, values: StridedRows, examples: Int, into outputs: MutableFloats,
    statistics: MutableFloats, scratch: inout LayerScratch
  ) {
    guard examples > 0 else { return }
    var shape = shape(queries, keys, values, examples)
    let kept = keptCount(queries: shape.queries)
    precondition(
      outputs.count == queries.rows * heads * width && statistics.count == examples * kept,
      "attention into \(outputs.count) values")
    let memory = scratch.reserve(scratchCount(shape).forward)
    for example in 0..<examples {
      let (query, key) = (example * shape.queries, example * shape.keys)
      kernels.attention(
        outputs.base + query * shape.output_row, statistics.base + example * kept,
        queries.base + query * queries.stride, keys.base + key * keys.stride, values.base + key * values.stride,
        &shape, memory.base)
    }
  }

  /// Writes the gradients, which have the strides of `queries`, `keys` and `values`.
  package func backward(
    outputGradients: Floats, outputs: Floats, statistics: Floats, queries: StridedRows, keys: StridedRows,
    values: StridedRows, examples: Int, queryGradients: MutableStridedRows, keyGradients: MutableStridedRows,
    valueGradients: MutableStridedRows, scratch: inout LayerScratch
  ) {
    guard examples > 0 else { return }
    var shape = shape(queries, keys, values, examples)
    let kept = keptCount(queries: shape.queries)
    precondition(
      outputs.count == queries.rows * heads * width && outputGradients.count == outputs.count
        && statistics.count == examples * kept && queryGradients.matches(queries) && keyGradients.matches(keys)
        && valueGradients.matches(values),
      "the gradients of attention have other sizes")
    let memory = scratch.reserve(scratchCount(shape).backward)
    for example in 0..<examples {
      let (query, key) = (example * shape.queries, example * shape.keys)
      kernels.attention_gradients(
        queryGradients.base + query * queries.stride, keyGradients.base + key * keys.stride,
        valueGradients.base + key * values.stride, outputGradients.base + query * shape.output_row,
        outputs.base + query * shape.output_row, statistics.base + example * kept,
        queries.base + query * queries.stride, keys.base + key * keys.stride, values.base + key * values.stride,
        &shape, memory.base)
    }
  }
}

/// Rows of a matrix that are written, and may be a part of wider rows.
package struct MutableStridedRows {
  let base: UnsafeMutablePointer<Float>
  private let rows: StridedRows

  /// The `columns` values from `first` on of each row of `stride` values.
  package init(_ values: MutableFloats, stride: Int, first: Int = 0, columns: Int) {
    rows = StridedRows(values.readOnly, stride: stride, first: first, columns: columns)
    base = values.base + first
  }

  func matches(_ other: StridedRows) -> Bool {
    rows.stride == other.stride && rows.rows == other.rows && rows.columns == other.columns
  }
}

/// Turns the pairs (i, i + width / 2) of each head by the angles of its position (J. Su et al., "RoFormer", 2021).
///
/// - Parameters:
///   - positions: of an example.
///   - row: values from a position to the next; the heads are the first of them.
///   - cosines: positions × width / 2, as are the sines.
///   - isInverse: whether it turns back.
package func rotate(
  _ input: Floats, positions: Int, heads: Int, width: Int, row: Int, cosines: Floats, sines: Floats, isInverse: Bool,
  into output: MutableFloats
) {
  precondition(
    input.count == output.count && positions > 0 && input.count % (positions * row) == 0 && heads * width <= row
      && width % 2 == 0 && cosines.count == positions * width / 2 && sines.count == cosines.count,
    "rotary positions of other sizes")
  for first in stride(from: 0, to: input.count, by: positions * row) {
    kernels.rotary(
      output.base + first, input.base + first, cosines.base, sines.base, positions, heads, width, row,
      isInverse ? 1 : 0)
  }
}
