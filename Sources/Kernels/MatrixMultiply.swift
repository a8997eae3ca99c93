internal import CKernels
internal import COneDNN

/// A row-major matrix of float32 values, borrowed. See ``Floats`` for how long it is valid.
public struct Matrix {
  /// The values, row after row.
  public let values: Floats
  /// The number of rows.
  public let rows: Int
  /// The number of values in a row.
  public let columns: Int

  /// A view of `values` as `rows` × `columns`.
  public init(_ values: Floats, rows: Int, columns: Int) {
    precondition(values.count == rows * columns, "\(values.count) values are not \(rows) × \(columns)")
    (self.values, self.rows, self.columns) = (values, rows, columns)
  }

  /// The rows in `range`.
  public func rows(_ range: Range<Int>) -> Matrix {
    Matrix(values[range.lowerBound * columns..<range.upperBound * columns], rows: range.count, columns: columns)
  }

  /// The transpose, as a view; nothing is copied.
  public var transposed: Transposed { Transposed(matrix: self) }

  /// A view of a matrix as its transpose.
  public struct Transposed {
    let matrix: Matrix
  }
}

/// `result` = `left` · `right`, row-major, on the calling thread (see ``useOneThreadForMatrices()``).
///
/// On one kind of CPU, the result's bits depend only on the sizes and values.
package func multiply(_ left: Matrix, _ right: Matrix, into result: MutableFloats) {
  precondition(left.columns == right.rows, "multiplying \(left.rows)×\(left.columns) by \(right.rows)×\(right.columns)")
  multiply(left, transposed: false, right, transposed: false, left.rows, right.columns, left.columns, into: result)
}

/// `result` = `left`ᵀ · `right`, row-major.
package func multiply(_ left: Matrix.Transposed, _ right: Matrix, into result: MutableFloats) {
  let left = left.matrix
  precondition(left.rows == right.rows, "multiplying \(left.columns)×\(left.rows) by \(right.rows)×\(right.columns)")
  multiply(left, transposed: true, right, transposed: false, left.columns, right.columns, left.rows, into: result)
}

/// `result` = `left` · `right`ᵀ, row-major.
package func multiply(_ left: Matrix, _ right: Matrix.Transposed, into result: MutableFloats) {
  let right = right.matrix
  precondition(
    left.columns == right.columns, "multiplying \(left.rows)×\(left.columns) by \(right.columns)×\(right.rows)")
  multiply(left, transposed: false, right, transposed: true, left.rows, right.rows, left.columns, into: result)
}

private func multiply(
  _ left: Matrix, transposed transposeLeft: Bool, _ right: Matrix, transposed transposeRight: Bool,
  _ rows: Int, _ columns: Int, _ inner: Int, into result: MutableFloats
) {
  precondition(result.count == rows * columns, "a \(rows)×\(columns) product into \(result.count) values")
  guard rows > 0, columns > 0 else { return }
  let status = dnnl_sgemm(
    transposeLeft ? CChar(UInt8(ascii: "T")) : CChar(UInt8(ascii: "N")),
    transposeRight ? CChar(UInt8(ascii: "T")) : CChar(UInt8(ascii: "N")),
    dnnl_dim_t(rows), dnnl_dim_t(columns), dnnl_dim_t(inner), 1,
    left.values.base, dnnl_dim_t(left.columns), right.values.base, dnnl_dim_t(right.columns), 0,
    result.base, dnnl_dim_t(columns))
  precondition(status == dnnl_success, "oneDNN's sgemm failed with status \(status.rawValue)")
}
