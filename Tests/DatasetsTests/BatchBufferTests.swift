import Kernels
import Testing

@testable import Datasets

@Suite struct BatchBufferTests {
  private let scaling = Scaling(offset: [1, 10], factor: [2, 0.5])

  /// Features 2 · row and 2 · row + 1, scaled.
  private func scaledRow(_ row: Int) -> [Float] {
    let first = Float(2 * row)
    return [(first - 1) * 2, (first + 1 - 10) * 0.5]
  }

  @Test("rows come scaled in the asked order, with their classes, however the size changes", arguments: [false, true])
  func classification(_ areBytes: Bool) {
    let features = (0..<20).map { UInt8($0) }
    let classes = (0..<10).map { Int32($0 * 3 % 7) }
    let examples = Examples(
      Dataset(
        count: 10, features: areBytes ? .bytes(features) : .floats(features.map { Float($0) }), shape: [2],
        targets: .classes(classes), targetCount: 1))
    let buffer = BatchBuffer(examples, scaling: scaling)
    for indices in [[3, 1], [9, 0, 5, 5, 2], [4], [], [7, 6, 5, 4, 3, 2, 1, 0], [8, 9]] as [[Int]] {
      let batch = GatheredRows(buffer, indices)
      #expect(batch.rows == indices.count)
      #expect(batch.columns == 2)
      #expect(batch.features == indices.flatMap { scaledRow($0) })
      #expect(batch.classes == indices.map { Int(classes[$0]) })
      #expect(batch.values == nil)
    }
  }

  @Test("rows come with all of their target values")
  func regression() {
    let examples = Examples(
      Dataset(
        count: 6, features: .floats((0..<12).map { Float($0) }), shape: [2],
        targets: .values((0..<18).map { Float($0) * 0.5 }), targetCount: 3))
    let buffer = BatchBuffer(examples, scaling: scaling)
    for indices in [[5], [0, 4, 2, 2], [], [1, 3], [5, 4, 3, 2, 1, 0]] as [[Int]] {
      let batch = GatheredRows(buffer, indices)
      #expect(batch.features == indices.flatMap { scaledRow($0) })
      let places: [Int] = indices.flatMap { 3 * $0..<3 * $0 + 3 }
      let expected = places.map { Float($0) * 0.5 }
      #expect(batch.values == expected)
      #expect(batch.classes == nil)
      #expect(batch.valueColumns == 3)
    }
  }

  @Test("rows come with the classes of all of their positions, and so do parts of a batch")
  func positions() {
    let classes = (0..<12).map { Int32($0 * 5 % 7) }
    let examples = Examples(
      Dataset(
        count: 4, features: .floats((0..<8).map { Float($0) }), shape: [2], targets: .classes(classes), targetCount: 3))
    let buffer = BatchBuffer(examples, scaling: Scaling(.none, of: examples))
    defer { withExtendedLifetime(buffer) {} }
    let batch = buffer.gather(0..<4) { 3 - $0 }
    for range in [0..<4, 1..<3, 3..<4, 2..<2] {
      guard case .classes(let labels) = batch[range].targets else {
        Issue.record("no classes")
        return
      }
      let expected = range.flatMap { row in classes[3 * (3 - row)..<3 * (3 - row) + 3].map(Int.init) }
      #expect((0..<labels.count).map { labels[$0] } == expected)
    }
  }

  @Test("indices are the part's, not the file's")
  func part() {
    let dataset = Dataset(
      count: 10, features: .floats((0..<20).map { Float($0) }), shape: [2],
      targets: .classes((0..<10).map { Int32($0) }), targetCount: 1)
    let permutation = IndexPermutation(count: 10, seed: 6, stream: Streams.split)
    let part = Examples(dataset, permutation: permutation, range: 4..<10)
    let batch = GatheredRows(BatchBuffer(part, scaling: Scaling(.none, of: part)), 0..<6)
    let rows = (4..<10).map { permutation[$0] }
    #expect(batch.classes == rows)
    let places: [Int] = rows.flatMap { 2 * $0..<2 * $0 + 2 }
    #expect(batch.features == places.map { Float($0) })
  }
}
