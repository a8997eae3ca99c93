import Testing

@testable import Datasets

@Suite struct ExampleOrderTests {
  @Test(
    "every epoch visits each example once",
    arguments: [
      1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 66, 127, 128, 255, 256, 257, 1000, 1023, 1025, 4097, 60_000,
    ])
  func bijection(_ count: Int) {
    for epoch in 0..<(count > 5000 ? 1 : 3) {
      let order = ExampleOrder(count: count, seed: 11, epoch: epoch)
      var visits = [Int](repeating: 0, count: count)
      for position in 0..<count { visits[order[position]] += 1 }
      #expect(visits.allSatisfy { $0 == 1 })
    }
  }

  private func order(_ seed: UInt64, _ epoch: Int, count: Int = 1000) -> [Int] {
    let order = ExampleOrder(count: count, seed: seed, epoch: epoch)
    return (0..<count).map { order[$0] }
  }

  @Test("an order is a function of seed and epoch")
  func deterministic() {
    #expect(order(5, 2) == order(5, 2))
    #expect(order(5, 2) != order(5, 3))
    #expect(order(5, 2) != order(6, 2))
    // One and the other must not add up to the same.
    #expect(order(5, 3) != order(6, 2))
    #expect(order(0, 0) != Array(0..<1000))
    #expect(order(.max, 0) != order(.max - 1, 0))
  }

  @Test("the first ten places stay what they were, so that a run can be repeated by a later version")
  func golden() {
    #expect(Array(order(0, 0)[..<10]) == [197, 329, 151, 861, 76, 956, 886, 458, 131, 98])
    #expect(Array(order(42, 7)[..<10]) == [705, 228, 106, 211, 13, 133, 820, 701, 104, 702])
  }

  @Test("different epochs agree in about one place, as independent orders do")
  func independent() {
    let orders = (0..<20).map { order(1, $0) }
    var agreeing = 0
    for left in 0..<20 {
      for right in 0..<left { agreeing += zip(orders[left], orders[right]).count { $0 == $1 } }
    }
    // 190 pairs, one expected in each: a Poisson number of mean 190, taken to 6 standard deviations.
    #expect(agreeing > 107 && agreeing < 273)
  }

  @Test("over the epochs an example is everywhere equally often", arguments: [5, 20, 64, 100])
  func uniform(_ count: Int) {
    let epochs = 200 * count
    for example in [0, count - 1] {
      var positions = [Int](repeating: 0, count: count)
      for epoch in 0..<epochs { positions[ExampleOrder(count: count, seed: 3, epoch: epoch)[example]] += 1 }
      let expected = Double(epochs) / Double(count)
      let chiSquare = positions.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
      let freedom = Double(count - 1)
      #expect(abs(chiSquare - freedom) < 5 * (2 * freedom).squareRoot() + 10)
    }
  }

  @Test("neighbours do not stay neighbours")
  func neighbours() {
    let order = order(9, 0, count: 10_000)
    let close = zip(order, order.dropFirst()).count { abs($0 - $1) == 1 }
    // Two expected.
    #expect(close < 20)
  }

  @Test("10¹² examples take no memory, and an index costs a few steps")
  func huge() {
    let count = 1_000_000_000_000
    let order = ExampleOrder(count: count, seed: 1, epoch: 1)
    let visited = [0, 1, 2, count / 2, count - 2, count - 1].map { order[$0] }
    #expect(Set(visited).count == 6)
    #expect(visited.allSatisfy { $0 >= 0 && $0 < count })
    #expect(visited.contains { $0 > 1 << 32 })
    let largest = IndexPermutation(count: .max, seed: 1, stream: 1)
    #expect(largest[0] != largest[.max - 1])
  }

  @Test("no examples have an order too")
  func none() {
    #expect(IndexPermutation(count: 0, seed: 1, stream: 1).count == 0)
  }

  @Test("the cut of the test part is no epoch's order")
  func streamsDiffer() {
    let split = IndexPermutation(count: 1000, seed: 4, stream: Streams.split)
    #expect((0..<1000).map { split[$0] } != order(4, 0))
  }
}
