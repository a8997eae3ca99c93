import Kernels
import Testing

@Suite struct DropoutTests {
  @Test(
    "drops the asked share and scales the rest, by (seed, step, position, layer, column) alone",
    arguments: [0, 0.2, 0.5, 0.9])
  func share(_ rate: Double) {
    let (rows, columns) = (400, 37)
    let input = FloatBuffer([Float](repeating: 2, count: rows * columns))
    let output = FloatBuffer(count: input.count)
    let dropout = DropoutMask(rate: rate, seed: 5, step: 3, operation: 1)
    dropout.apply(input.values, into: output.all, columns: columns, first: 100)
    var dropped = 0
    for row in 0..<rows {
      for column in 0..<columns {
        let kept = dropout.keeps(position: 100 + row, column: column, of: columns)
        #expect(output.values[row * columns + column] == (kept ? 2 * Float(1 / (1 - rate)) : 0))
        dropped += kept ? 0 : 1
      }
    }
    #expect(abs(Double(dropped) / Double(rows * columns) - rate) < 0.02)
    // A piece from the middle is what the whole has there: who computes which rows does not matter.
    let piece = FloatBuffer(count: 10 * columns)
    dropout.apply(input.values[0..<10 * columns], into: piece.all, columns: columns, first: 150)
    #expect(piece.values.array == output.values[50 * columns..<60 * columns].array)
  }

  @Test func otherSeedsStepsAndOperationsDropOthers() {
    func mask(_ dropout: DropoutMask) -> [Bool] {
      (0..<200).map { dropout.keeps(position: $0 / 10, column: $0 % 10, of: 10) }
    }
    let masks = [
      DropoutMask(rate: 0.5, seed: 1, step: 1, operation: 1), DropoutMask(rate: 0.5, seed: 2, step: 1, operation: 1),
      DropoutMask(rate: 0.5, seed: 1, step: 2, operation: 1), DropoutMask(rate: 0.5, seed: 1, step: 1, operation: 2),
      DropoutMask(rate: 0.5, seed: 1, step: 1, operation: 300),
    ].map(mask)
    #expect(Set(masks).count == 5)
  }
}
