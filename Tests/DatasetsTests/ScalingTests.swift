import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct ScalingTests {
  private let table = examples([[1, 5, -2], [3, 5, 0], [8, 5, 4]])

  @Test("none leaves features as they are")
  func none() {
    #expect(Scaling(.none, of: table) == Scaling(offset: [0, 0, 0], factor: [1, 1, 1]))
  }

  @Test("unit takes each column's range to 0…1, a constant column to 0")
  func unit() {
    #expect(
      Scaling(.unit, of: table) == Scaling(offset: [1, 5, -2], factor: [Float(1.0 / 7), 0, Float(1.0 / 6)]))
  }

  @Test("standard takes each column to mean 0 and variance 1, a constant column to 0")
  func standard() {
    // Means 4, 5, 2/3; variances (9 + 1 + 16)/3 = 26/3, 0, (64 + 4 + 100)/27 = 56/9, by the count and not one less.
    let scaling = Scaling(.standard, of: table)
    #expect(scaling.offset == [4, 5, Float(2.0 / 3)])
    #expect(scaling.factor[1] == 0)
    #expect(abs(scaling.factor[0] - Float((3.0 / 26).squareRoot())) < 1e-7)
    #expect(abs(scaling.factor[2] - Float((9.0 / 56).squareRoot())) < 1e-7)
  }

  @Test("standardized examples have mean 0 and variance 1")
  func moments() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of the standardized examples: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let many = examples(
      (0..<500).map { _ in
        [.random(in: 0...1, using: &generator), .random(in: -1000...3000, using: &generator)]
      })
    let buffer = BatchBuffer(many, scaling: Scaling(.standard, of: many))
    let values = GatheredRows(buffer, 0..<500).features
    for column in 0..<2 {
      let numbers = stride(from: column, to: 1000, by: 2).map { Double(values[$0]) }
      let mean = numbers.reduce(0, +) / 500
      let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 500
      #expect(abs(mean) < 1e-5 && abs(variance - 1) < 1e-5, "seed \(seed)")
    }
  }

  @Test("bytes take 1/255 in unit, whatever values occur, and their own statistics in standard")
  func bytes() {
    let pixels = Examples(
      Dataset(count: 2, features: .bytes([10, 0, 30, 0]), shape: [2], targets: .classes([0, 1]), targetCount: 1))
    #expect(Scaling(.unit, of: pixels) == Scaling(offset: [0, 0], factor: [1 / 255, 1 / 255]))
    #expect(Scaling(.standard, of: pixels) == Scaling(offset: [20, 0], factor: [0.1, 0]))
    #expect(Scaling(.none, of: pixels) == Scaling(offset: [0, 0], factor: [1, 1]))
  }

  @Test("statistics are the training part's alone", arguments: [ScalingKind.unit, .standard])
  func trainingPartAlone(_ kind: ScalingKind) {
    let all = Dataset(
      count: 50, features: .floats((0..<50).map { Float($0 * $0) }), shape: [1],
      targets: .values(.init(repeating: 0, count: 50)), targetCount: 1)
    let permutation = IndexPermutation(count: 50, seed: 1, stream: Streams.split)
    let train = Examples(all, permutation: permutation, range: 10..<50)
    let copy = examples((0..<40).map { train.features($0) })
    #expect(Scaling(kind, of: train) == Scaling(kind, of: copy))
    // Without the part's selection the ten others would be measured too.
    #expect(Scaling(.standard, of: train) != Scaling(.standard, of: Examples(all)))
  }

  @Test("a constant column is constant though its value is no sum of powers of two")
  func constant() {
    let same = examples([[Float]](repeating: [0.1, 1e30, -7e-20], count: 1013))
    for kind in [ScalingKind.unit, .standard] {
      #expect(Scaling(kind, of: same) == Scaling(offset: [0.1, 1e30, -7e-20], factor: [0, 0, 0]))
    }
  }

  @Test("a column of denormal spread scales to finite numbers", arguments: [ScalingKind.unit, .standard])
  func denormal(_ kind: ScalingKind) {
    let tiny = examples([[0], [.leastNonzeroMagnitude], [0]])
    let scaling = Scaling(kind, of: tiny)
    #expect(scaling.factor == [0])
    #expect(GatheredRows(BatchBuffer(tiny, scaling: scaling), 0..<3).features == [0, 0, 0])
  }

  @Test("a column as wide as float32 has a factor above 0")
  func wide() {
    let scaling = Scaling(.unit, of: examples([[-3e38], [3e38]]))
    #expect(scaling.factor[0] > 0 && scaling.factor[0].isFinite)
  }

  @Test("one example is constant in every column")
  func oneExample() {
    #expect(Scaling(.standard, of: examples([[3, 4]])) == Scaling(offset: [3, 4], factor: [0, 0]))
  }

  @Test("a scaling comes back from JSON, as models save it")
  func json() throws {
    let scaling = Scaling(.standard, of: table)
    let saved = try JSONEncoder().encode(scaling)
    #expect(try JSONDecoder().decode(Scaling.self, from: saved) == scaling)
  }
}
