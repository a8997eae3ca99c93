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

/// `output` = `a` + `b`. The values of `b` hold for each part of `a` of their number. `output` may be `a`.
package func add(_ a: Floats, _ b: Floats, into output: MutableFloats) {
  precondition(b.count > 0 || a.count == 0)
  precondition(
    a.count == output.count && (b.count == 0 || a.count % b.count == 0), "adding \(b.count) values to \(a.count)")
  kernels.add(output.base, a.base, b.base, a.count, b.count)
}

/// `output` = `a` · `b`, elementwise. The values of `b` hold for each part of `a` of their number. `output` may be `a`.
package func multiply(_ a: Floats, _ b: Floats, into output: MutableFloats) {
  precondition(b.count > 0 || a.count == 0)
  precondition(
    a.count == output.count && (b.count == 0 || a.count % b.count == 0), "multiplying \(a.count) values by \(b.count)")
  kernels.multiply_elements(output.base, a.base, b.base, a.count, b.count)
}

/// `output` = softmax of each row of `input`, which may be the same memory.
package func softmax(_ input: Floats, columns: Int, into output: MutableFloats) {
  precondition(columns > 0 && input.count % columns == 0 && input.count == output.count)
  kernels.softmax(output.base, input.base, input.count / columns, columns)
}

/// The gradient with respect to softmax's input. `inputGradients` may be `outputGradients`.
package func softmaxGradient(
  _ outputGradients: Floats, output: Floats, columns: Int, into inputGradients: MutableFloats
) {
  precondition(columns > 0 && output.count % columns == 0 && outputGradients.count == output.count)
  precondition(inputGradients.count == output.count)
  kernels.softmax_gradient(
    inputGradients.base, outputGradients.base, output.base, output.count / columns, columns)
}

/// `output` = the rows of `weight` that `ids` name. The row of an id that is no whole number below the number of rows is
/// NaN.
package func gatherRows(of weight: Matrix, _ ids: Floats, into output: MutableFloats) {
  precondition(output.count == ids.count * weight.columns, "\(ids.count) rows of \(weight.columns) values")
  kernels.embedding(output.base, ids.base, weight.values.base, ids.count, weight.rows, weight.columns)
}

/// `gradient` (rows × `columns`) = the gradients of one micro-batch's rows, added in the order of `ids`.
package func scatterRows(_ outputGradients: Floats, _ ids: Floats, columns: Int, into gradient: MutableFloats) {
  precondition(outputGradients.count == ids.count * columns && gradient.count % columns == 0)
  kernels.embedding_gradient(
    gradient.base, outputGradients.base, ids.base, ids.count, gradient.count / columns, columns)
}

/// Copies `columns` values of each row: from `inputFirst` on in rows of `inputRow`, to `outputFirst` on in rows of
/// `outputRow`.
package func copyColumns(
  _ columns: Int, of input: Floats, row inputRow: Int, from inputFirst: Int, to output: MutableFloats,
  row outputRow: Int, at outputFirst: Int
) {
  precondition(inputRow > 0 && outputRow > 0 && input.count % inputRow == 0 && output.count % outputRow == 0)
  let rows = input.count / inputRow
  precondition(
    rows == output.count / outputRow && inputFirst + columns <= inputRow && outputFirst + columns <= outputRow)
  kernels.copy_columns(
    output.base + outputFirst, outputRow, input.base + inputFirst, inputRow, rows, columns)
}
