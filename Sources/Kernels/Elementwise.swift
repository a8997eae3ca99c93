internal import CKernels

/// `sum` += `term`, elementwise.
package func accumulate(_ term: Floats, into sum: MutableFloats) {
  precondition(term.count == sum.count, "adding \(term.count) values to \(sum.count)")
  kernels.accumulate(sum.base, term.base, sum.count)
}

/// `sums`[c] = Σ of column c, in the order of the rows.
package func columnSums(of matrix: Matrix, into sums: MutableFloats) {
  precondition(sums.count == matrix.columns, "\(matrix.columns) column sums into \(sums.count) values")
  kernels.column_sums(sums.base, matrix.values.base, matrix.rows, matrix.columns)
}

/// Starts to load `bytes` into the cache.
package func prefetch(_ bytes: UnsafeRawBufferPointer) {
  guard let base = bytes.baseAddress else { return }
  lk_prefetch(base, bytes.count)
}

/// `output`[c] = (`input`[c] − `offset`[c]) · `factor`[c].
package func scale(_ input: Floats, offset: Floats, factor: Floats, into output: MutableFloats) {
  precondition(input.count == output.count && offset.count == output.count && factor.count == output.count)
  kernels.scale_floats(output.base, input.base, offset.base, factor.base, output.count)
}

package func scale(_ input: UnsafeBufferPointer<UInt8>, offset: Floats, factor: Floats, into output: MutableFloats) {
  precondition(input.count == output.count && offset.count == output.count && factor.count == output.count)
  guard let base = input.baseAddress else { return }
  kernels.scale_bytes(output.base, base, offset.base, factor.base, output.count)
}
