import Kernels
import TestSupport
import Testing

@Suite struct OrthonormalBasesTests {
  /// Values in −1…1.
  private func random(_ count: Int, seed: UInt64) -> [Double] {
    let buffer = FloatBuffer(count: count)
    Philox(seed: seed, stream: 0).fillUniform(buffer.all, bound: 1)
    return buffer.array.map(Double.init)
  }

  /// The sum of v vᵀ over `vectors` of `count` values, which is symmetric and has at most so many eigenvalues above 0.
  private func sumOfSquares(_ vectors: Int, _ count: Int, seed: UInt64, scale: Double) -> FloatBuffer {
    let values = random(vectors * count, seed: seed)
    return FloatBuffer(
      (0..<count * count).map { at in
        Float(
          (0..<vectors).reduce(0) { $0 + scale * values[$1 * count + at / count] * values[$1 * count + at % count] })
      })
  }

  private func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  private func rows(_ buffer: FloatBuffer, _ count: Int) -> [[Double]] {
    (0..<count).map { row in buffer.array[row * count..<(row + 1) * count].map(Double.init) }
  }

  private func expectOrthonormal(_ rows: [[Double]], _ message: String) {
    for (i, a) in rows.enumerated() {
      for (j, b) in rows.enumerated() where j <= i {
        #expect(abs(product(a, b) - (i == j ? 1 : 0)) < 3e-7, "\(message): vectors \(i) and \(j)")
      }
    }
  }

  @Test(
    "eigenvectors are orthonormal, make the matrix diagonal, and come by falling eigenvalue",
    arguments: [(1, 1), (2, 2), (3, 5), (7, 2), (7, 0), (24, 40), (64, 10), (65, 65)])
  func eigenvectorsOfSums(count: Int, vectors: Int) {
    for scale in [1e-12, 1, 1e9] {
      let seed = UInt64.random(in: 0...UInt64.max)
      let message = "seed \(seed), \(count) values, scale \(scale)"
      let matrix = sumOfSquares(vectors, count, seed: seed, scale: scale)
      let result = FloatBuffer(count: count * count)
      eigenvectors(of: Matrix(matrix.values, rows: count, columns: count), into: result.all)
      let (basis, values) = (rows(result, count), rows(matrix, count))
      expectOrthonormal(basis, message)
      let largest = scale * Double(max(vectors, 1) * count)
      var last = Double.infinity
      for (i, a) in basis.enumerated() {
        let turned = values.map { product($0, a) }
        let value = product(turned, a)
        #expect(value <= last + 1e-6 * largest, "\(message): eigenvalue \(i)")
        last = value
        for (j, b) in basis.enumerated() where j != i {
          #expect(abs(product(turned, b)) < 1e-6 * largest, "\(message): \(i) and \(j)")
        }
      }
    }
  }

  /// numpy.linalg.eigh([[4, 1, -2], [1, 3, 0.5], [-2, 0.5, 1]]), with its signs.
  @Test func eigenvectorsAreNumPys() {
    let matrix = FloatBuffer([4, 1, -2, 1, 3, 0.5, -2, 0.5, 1])
    let expected: [[Double]] = [
      [0.8731175045391051, 0.30857546975931954, -0.3774215186369489],
      [-0.1581418955397412, 0.911590791215525, 0.3794645836519538],
      [0.4611474429534475, -0.2716310159644295, 0.8447245864917327],
    ]
    let result = FloatBuffer(count: 9)
    eigenvectors(of: Matrix(matrix.values, rows: 3, columns: 3), into: result.all)
    for (row, want) in zip(rows(result, 3), expected) {
      let sign = product(row, want) < 0 ? -1.0 : 1
      for (got, value) in zip(row, want) { #expect(abs(sign * got - value) < 1e-7) }
    }
    withExtendedLifetime(matrix) {}
  }

  @Test func whatIsNotFiniteStillEnds() {
    for value in [Float.nan, .infinity, -.greatestFiniteMagnitude] {
      let matrix = FloatBuffer(Array(repeating: value, count: 25))
      let result = FloatBuffer(count: 25)
      eigenvectors(of: Matrix(matrix.values, rows: 5, columns: 5), into: result.all)
      orthonormalBasis(of: Matrix(matrix.values, rows: 5, columns: 5), order: [4, 3, 2, 1, 0], into: result.all)
      withExtendedLifetime(matrix) {}
    }
  }

  @Test(
    "the first k vectors of a basis span the first k that it was made of, in their order",
    arguments: [(1, 1), (2, 1), (5, 5), (9, 4), (48, 48)])
  func basisOfVectors(count: Int, rank: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let order = (0..<count).shuffled(using: &generator)
    var vectors = random(count * count, seed: seed)
    // Those that come last are sums of the first.
    for place in rank..<count {
      for column in 0..<count {
        vectors[order[place] * count + column] =
          vectors[order[0] * count + column] - vectors[order[rank - 1] * count + column] / 2
      }
    }
    let matrix = FloatBuffer(vectors.map { Float($0) })
    let result = FloatBuffer(count: count * count)
    orthonormalBasis(of: Matrix(matrix.values, rows: count, columns: count), order: order, into: result.all)
    let (basis, given) = (rows(result, count), rows(matrix, count))
    expectOrthonormal(basis, "seed \(seed)")
    for place in 0..<count {
      let own = given[order[place]]
      var rest = own
      for vector in basis.prefix(place + 1) {
        let share = product(own, vector)
        for column in 0..<count { rest[column] -= share * vector[column] }
      }
      #expect(product(rest, rest).squareRoot() < 1e-5, "seed \(seed): vector \(place)")
    }
  }
}
