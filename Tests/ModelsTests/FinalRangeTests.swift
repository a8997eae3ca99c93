import Datasets
import Kernels
import Schema
import Testing

@testable import Models

@Suite struct FinalRangeTests {
  @Test(
    "every operation's and model's values are reported once, with their final bits, however micro-batches are grouped",
    arguments: OperationFixture.all)
  func finalBits(_ fixture: OperationFixture) throws {
    let subject = try #require(OperationCases.all[fixture.name])
    let plain = try Harness(fixture, subject)
    let memory = MemoryPlan(plain.network.graph, isTraining: true).size
    for microBatches in plain.cuts {
      let expected = plain.gradient(ofMicroBatches: microBatches).gradient.bits
      let two = 2 * memory * (microBatches.map(\.count).max() ?? 0)
      for (groups, budget) in [("all together", 16 << 20), ("one by one", 0), ("two together", two)] {
        for least in [1, 7] {
          let comment: Comment = "\(microBatches) \(groups), reports of at least \(least)"
          let harness = try Harness(fixture, subject, budget: budget, leastReport: least)
          let reports = harness.reports(ofMicroBatches: microBatches)
          reports.expectFinal(comment)
          let isSame = reports.gradient == expected
          #expect(isSame, comment)
        }
      }
    }
  }

  @Test("in a single pass, a value is reported as soon as it is written", arguments: OperationFixture.all)
  func prompt(_ fixture: OperationFixture) throws {
    let harness = try Harness(fixture, #require(OperationCases.all[fixture.name]), leastReport: 1)
    // A parameter of several operations is written by each of them.
    guard !harness.network.graph.sharesParameters else { return }
    for microBatches in harness.cuts {
      harness.reports(ofMicroBatches: microBatches).expectPrompt("\(microBatches)")
    }
  }

  @Test(
    "where sums of groups are added, ranges are reported during the last group's pass",
    arguments: [
      "a small LeNet", "a residual network of batch norm", "a transformer", "a tied transformer",
      "linear, batch norm, tanh, batch norm, linear",
    ])
  func groups(_ name: String) throws {
    let fixture = try #require(OperationFixture.all.first { $0.name == name })
    let harness = try Harness(fixture, #require(OperationCases.all[name]), budget: 0, leastReport: 1)
    let reports = harness.reports(ofMicroBatches: [0..<fixture.examples / 2, fixture.examples / 2..<fixture.examples])
    #expect(reports.ranges.count > 3)
    for (index, copy) in reports.copies.enumerated() {
      for later in reports.ranges[(index + 1)...] {
        let isFinal = copy[later] == reports.gradient[later]
        #expect(!isFinal, "\(later) is final at report \(index) already")
      }
    }
  }

  private func network(_ model: some Layer, _ shape: [Int], leastReport: Int) throws -> Network {
    try Network(model, input: shape, loss: .meanSquaredError, budget: 16 << 20, leastReport: leastReport)
  }

  private func ranges(_ model: some Layer, _ shape: [Int], least: Int) throws -> [[Range<Int>]] {
    let graph = try network(model, shape, leastReport: least).graph
    let ranges = FinalRanges(graph, least: least)
    return graph.nodes.indices.map { ranges[$0] }
  }

  @Test("a small range waits for its neighbour, the last ones for nothing")
  func merged() throws {
    // Of 15, 8, 4 and 3 parameters.
    let model = Sequential {
      Linear(3)
      ReLU()
      Linear(2)
      LayerNorm()
      Linear(1)
    }
    #expect(try ranges(model, [4], least: 1) == [[0..<15], [15..<23], [23..<27], [27..<30]])
    #expect(try ranges(model, [4], least: 4) == [[0..<15], [15..<23], [23..<30], []])
    #expect(try ranges(model, [4], least: 8) == [[0..<15], [15..<30], [], []])
    #expect(try ranges(model, [4], least: 16) == [[0..<30], [], [], []])
  }

  @Test("statistics wait for each other, apart from the parameters")
  func statistics() throws {
    let model = Sequential {
      Linear(3)
      BatchNorm()
      Linear(3)
      BatchNorm()
    }
    // 15 + 6 + 12 + 6 parameters, then 6 statistics of each norm.
    #expect(
      try ranges(model, [4], least: 1)
        == [[0..<15], [15..<21, 39..<45], [21..<33], [33..<39, 45..<51]])
    #expect(try ranges(model, [4], least: 7) == [[0..<21], [39..<51], [21..<39], []])
  }

  @Test("a parameter of several operations is final after the first of them")
  func shared() throws {
    let model = TiedEmbedding(count: 9, width: 5, norm: LayerNorm())
    #expect(try ranges(model, [2], least: 1) == [[0..<45], [45..<55], []])
  }

  @Test("a model of many small tensors makes few reports")
  func smallTensors() throws {
    let model = Sequential { for _ in 0..<200 { LayerNorm() } }
    let reports = try ranges(model, [8], least: 100).flatMap { $0 }
    #expect(reports.count == 200 * 16 / 112 + 1)
    #expect(reports.dropFirst().allSatisfy { $0.count == 112 })
  }
}
