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
}
