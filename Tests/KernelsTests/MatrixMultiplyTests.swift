import Kernels
import Testing

@Suite struct MatrixMultiplyTests {
  /// Values whose products and sums float32 holds exactly, so that every order of summing gives the same.
  private func integers(_ count: Int, seed: UInt64) -> FloatBuffer {
    let buffer = FloatBuffer(count: count)
    Philox(seed: seed, stream: 7).fillUniform(buffer.all, bound: 8)
    for index in buffer.all.indices { buffer.all[index] = buffer.all[index].rounded() }
    return buffer
  }

  @Test(
    "agrees with the definition, plain and transposed", arguments: [(1, 1, 1), (3, 5, 7), (16, 10, 784), (33, 128, 65)])
  func agreesWithDefinition(_ rows: Int, _ columns: Int, _ inner: Int) {
    let left = integers(rows * inner, seed: 1)
    let right = integers(inner * columns, seed: 2)
    let leftTransposed = FloatBuffer(count: left.count)
    let rightTransposed = FloatBuffer(count: right.count)
    for r in 0..<rows { for k in 0..<inner { leftTransposed.all[k * rows + r] = left.values[r * inner + k] } }
    for k in 0..<inner { for c in 0..<columns { rightTransposed.all[c * inner + k] = right.values[k * columns + c] } }
    var expected: [Float] = []
    for r in 0..<rows {
      for c in 0..<columns {
        expected.append((0..<inner).reduce(0) { $0 + left.values[r * inner + $1] * right.values[$1 * columns + c] })
      }
    }
    let result = FloatBuffer(count: rows * columns)
    let plainLeft = Matrix(left.values, rows: rows, columns: inner)
    let plainRight = Matrix(right.values, rows: inner, columns: columns)
    result.all.fill(.nan)
    multiply(plainLeft, plainRight, into: result.all)
    #expect(result.values.array == expected)
    result.all.fill(.nan)
    multiply(Matrix(leftTransposed.values, rows: inner, columns: rows).transposed, plainRight, into: result.all)
    #expect(result.values.array == expected)
    result.all.fill(.nan)
    multiply(plainLeft, Matrix(rightTransposed.values, rows: columns, columns: inner).transposed, into: result.all)
    #expect(result.values.array == expected)
  }

  @Test("gives the same bits wherever the matrices lie in memory")
  func alignmentDoesNotMatter() {
    let (rows, columns, inner) = (16, 100, 300)
    let seed = UInt64.random(in: 0...UInt64.max)
    func product(offset: Int) -> [UInt32] {
      let memory = FloatBuffer(count: offset + rows * inner + inner * columns + rows * columns)
      let left = memory.all[offset..<offset + rows * inner]
      let right = memory.all[left.count + offset..<left.count + offset + inner * columns]
      let result = memory.all[left.count + right.count + offset..<memory.count]
      Philox(seed: seed, stream: 1).fillUniform(left, bound: 1)
      Philox(seed: seed, stream: 2).fillUniform(right, bound: 1)
      multiply(
        Matrix(left.readOnly, rows: rows, columns: inner), Matrix(right.readOnly, rows: inner, columns: columns),
        into: result)
      return result.readOnly.array.map(\.bitPattern)
    }
    let expected = product(offset: 0)
    for offset in 1...17 { #expect(product(offset: offset) == expected, "seed \(seed), offset \(offset)") }
  }
}
