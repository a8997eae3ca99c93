/// The eigenvectors of a symmetric matrix, by Householder's tridiagonal form and implicit QL steps: G. H. Golub & C. F. Van
/// Loan, "Matrix Computations", sections 8.3.1 and 8.3.3. Computed in double, by one thread.
///
/// - Parameters:
///   - matrix: symmetric, n × n.
///   - rows: n × n; row i takes the unit eigenvector of the i-th largest eigenvalue. Vectors of the same eigenvalue are any
///     orthonormal ones, and so are all of a matrix that is not finite.
package func eigenvectors(of matrix: Matrix, into rows: MutableFloats) {
  let count = matrix.rows
  precondition(matrix.columns == count && rows.count == count * count, "\(count)×\(matrix.columns) is not square")
  let work = SquareMatrix(count) { matrix.values[$0 * count + $1] }
  var (diagonal, beside) = work.makeTridiagonal()
  // The columns of Q are rows from here on, so that a rotation combines contiguous values.
  work.transpose()
  work.diagonalize(&diagonal, &beside)
  let order = (0..<count).sorted { diagonal[$0] != diagonal[$1] ? diagonal[$0] > diagonal[$1] : $0 < $1 }
  for (row, from) in order.enumerated() {
    for column in 0..<count { rows[row * count + column] = Float(work[from][column]) }
  }
}

/// An orthonormal basis whose first k vectors span the first k of a list, for each k, by Householder's QR decomposition:
/// "Matrix Computations", section 5.2.2. Computed in double, by one thread.
///
/// - Parameters:
///   - vectors: n rows of n values.
///   - order: which row comes first, second and so on.
///   - rows: n × n; takes the basis. Where a vector depends on those before it, any that completes the basis.
package func orthonormalBasis(of vectors: Matrix, order: [Int], into rows: MutableFloats) {
  let count = vectors.rows
  precondition(
    vectors.columns == count && rows.count == count * count && order.count == count,
    "\(count)×\(vectors.columns) vectors in an order of \(order.count)")
  let work = SquareMatrix(count) { vectors.values[order[$1] * count + $0] }
  work.makeOrthogonal()
  for row in 0..<count {
    for column in 0..<count { rows[row * count + column] = Float(work[column][row]) }
  }
}

/// A square matrix in double, row after row.
private final class SquareMatrix {
  let count: Int
  private let values: UnsafeMutablePointer<Double>
  /// A row's room.
  private let sum: UnsafeMutablePointer<Double>

  /// - Parameter value: of a row and a column.
  init(_ count: Int, _ value: (Int, Int) -> Float) {
    self.count = count
    values = .allocate(capacity: count * count)
    sum = .allocate(capacity: count)
    sum.initialize(repeating: 0, count: count)
    for row in 0..<count {
      for column in 0..<count { (values + row * count + column).initialize(to: Double(value(row, column))) }
    }
  }

  deinit {
    values.deallocate()
    sum.deallocate()
  }

  subscript(row: Int) -> UnsafeMutablePointer<Double> { values + row * count }

  func transpose() {
    for row in 0..<count {
      for column in 0..<row { swap(&self[row][column], &self[column][row]) }
    }
  }

  /// I − τ v vᵀ, which takes a vector to a multiple of the first unit vector: v is written over the vector, of `count` values.
  private static func reflection(_ vector: UnsafeMutablePointer<Double>, _ count: Int) -> (tau: Double, result: Double)
  {
    let first = vector[0]
    var rest = 0.0
    for index in 1..<max(count, 1) { rest += vector[index] * vector[index] }
    guard rest > 0 else { return (0, first) }
    let norm = (first * first + rest).squareRoot()
    let result = first > 0 ? -norm : norm
    vector[0] = first - result
    return (1 / (norm * (norm + abs(first))), result)
  }

  /// Multiplies I − τ v vᵀ by the rows and columns from `first` on.
  private func reflect(_ vector: UnsafeMutablePointer<Double>, _ tau: Double, rows first: Int, columns: Int) {
    guard tau != 0 else { return }
    let width = count - columns
    for index in 0..<width { sum[index] = 0 }
    for row in first..<count {
      let (factor, values) = (vector[row - first], self[row] + columns)
      for index in 0..<width { sum[index] += factor * values[index] }
    }
    for row in first..<count {
      let (factor, values) = (tau * vector[row - first], self[row] + columns)
      for index in 0..<width { values[index] -= factor * sum[index] }
    }
  }

  /// Becomes the product of the reflections; that of index k leaves the first k + `offset` rows alone.
  private func becomeProduct(_ vectors: [[Double]], _ taus: [Double], offset: Int) {
    for row in 0..<count {
      for column in 0..<count { self[row][column] = row == column ? 1 : 0 }
    }
    for k in taus.indices.reversed() {
      var vector = vectors[k]
      vector.withUnsafeMutableBufferPointer {
        guard let base = $0.baseAddress else { return }
        reflect(base, taus[k], rows: k + offset, columns: k + offset)
      }
    }
  }

  /// Becomes Q of its QR decomposition.
  func makeOrthogonal() {
    var (vectors, taus): ([[Double]], [Double]) = ([], [])
    for k in 0..<count {
      var vector = (k..<count).map { self[$0][k] }
      vector.withUnsafeMutableBufferPointer {
        guard let base = $0.baseAddress else { return }
        let (tau, _) = Self.reflection(base, count - k)
        taus.append(tau)
        reflect(base, tau, rows: k, columns: k + 1)
      }
      vectors.append(vector)
    }
    becomeProduct(vectors, taus, offset: 0)
  }

  /// Becomes Q, where this symmetric matrix is Q T Qᵀ.
  ///
  /// - Returns: T: its diagonal, and what is beside each of its values but the last.
  func makeTridiagonal() -> (diagonal: [Double], beside: [Double]) {
    var (vectors, taus): ([[Double]], [Double]) = ([], [])
    var (diagonal, beside): ([Double], [Double]) = ([], [])
    for k in 0..<count {
      diagonal.append(self[k][k])
      guard k + 1 < count else { break }
      let (start, width) = (k + 1, count - k - 1)
      // By symmetry this row is the column below the diagonal.
      var vector = (start..<count).map { self[k][$0] }
      vector.withUnsafeMutableBufferPointer {
        guard let v = $0.baseAddress else { return }
        let (tau, result) = Self.reflection(v, width)
        beside.append(result)
        taus.append(tau)
        guard tau != 0 else { return }
        // A ← A − v wᵀ − w vᵀ with w = p − (τ/2)(pᵀv) v and p = τ A v.
        for index in 0..<width { sum[index] = 0 }
        for row in 0..<width {
          let values = self[start + row] + start
          for index in 0..<width { sum[index] += v[row] * values[index] }
        }
        var product = 0.0
        for index in 0..<width {
          sum[index] *= tau
          product += sum[index] * v[index]
        }
        for index in 0..<width { sum[index] -= tau / 2 * product * v[index] }
        for row in 0..<width {
          let (values, ofV, ofW) = (self[start + row] + start, v[row], sum[row])
          for index in 0..<width { values[index] -= ofV * sum[index] + ofW * v[index] }
        }
      }
      vectors.append(vector)
    }
    becomeProduct(vectors, taus, offset: 1)
    return (diagonal, beside)
  }

  /// Makes a tridiagonal matrix diagonal by rotations, each of which combines two rows of this one.
  func diagonalize(_ diagonal: inout [Double], _ beside: inout [Double]) {
    var size = 0.0
    for index in 0..<count { size = max(size, abs(diagonal[index]) + (index + 1 < count ? abs(beside[index]) : 0)) }
    guard size.isFinite else { return }
    /// What is no more than rounding of the largest values counts as 0.
    let least = size * 0x1p-52
    for first in 0..<max(count - 1, 0) {
      // Two or three are usual; the limit is for what no proof excludes.
      for _ in 0..<60 {
        guard let last = (first..<count).first(where: { $0 == count - 1 || abs(beside[$0]) <= least }), last > first
        else { break }
        step(&diagonal, &beside, first, last)
      }
    }
  }

  /// One implicit QL step with Wilkinson's shift on the values from `first` to `last`: rotations from the end chase what
  /// the first of them puts beside the three diagonals.
  private func step(_ diagonal: inout [Double], _ beside: inout [Double], _ first: Int, _ last: Int) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first])
    let root = (half * half + 1).squareRoot()
    let shift = diagonal[first] - beside[first] / (half + (half < 0 ? -root : root))
    var (cosine, sine, moved) = (1.0, 1.0, 0.0)
    var ahead = diagonal[last] - shift
    for index in (first..<last).reversed() {
      let (bulge, own) = (sine * beside[index], cosine * beside[index])
      let length = (bulge * bulge + ahead * ahead).squareRoot()
      if index + 1 < last { beside[index + 1] = length }
      guard length > 0 else {
        // The matrix falls into two parts here.
        diagonal[index + 1] -= moved
        return
      }
      (sine, cosine) = (bulge / length, ahead / length)
      let base = diagonal[index + 1] - moved
      let change = (diagonal[index] - base) * sine + 2 * cosine * own
      moved = sine * change
      diagonal[index + 1] = base + moved
      ahead = cosine * change - own
      let (lower, upper) = (self[index], self[index + 1])
      for column in 0..<count {
        let (a, b) = (lower[column], upper[column])
        upper[column] = sine * a + cosine * b
        lower[column] = cosine * a - sine * b
      }
    }
    diagonal[first] -= moved
    beside[first] = ahead
  }
}
