import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Protocol
@testable import Runs
@testable import Schema

@Suite struct AveragedStatisticsTests {
  @Test("a step updates the parameters by the rule and the statistics by their average over the step's examples")
  func step() throws {
    var options = JobOptions()
    for (name, value) in [
      ("model", "resnet:1"), ("channels", "8"), ("norm", "batch"), ("optimizer", "adam"), ("batch-size", "64"),
    ] { try options.set(name, to: value) }
    let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
    let (layout, optimizer) = (prepared.model.layout, try prepared.optimizer())
    let chunks = ChunkLayout(layout, size: 20)
    let statistics = layout.parameterCount..<layout.count
    let ofStatistics = (chunks.parameterChunks..<chunks.count).map { chunks[$0] }
    #expect(ofStatistics.count > 1 && ofStatistics.flatMap(Array.init) == Array(statistics))
    var store = ParameterStore(chunks, optimizer, isShared: false) { prepared.model.initialize($0, seed: 0) }
    #expect(store.slots.count == optimizer.slots.count * layout.parameterCount)
    let sums = FloatBuffer((0..<layout.count).map { Float($0 % 7) - 3 })

    for number in 1...3 {
      let before = store.current.array
      store.begin(number, steps: 1, isLast: false, weight: 60) { [] }
      for chunk in 0..<chunks.count {
        let range = chunks[chunk]
        let returned = store.update(chunk, examples: 60)(sums.values[range]).array
        #expect(returned != Array(before[range]))
      }
      #expect(store.current.array == before, "the state before the step is whole")
      store.advance()
      let expected = FloatBuffer(count: statistics.count)
      let old = FloatBuffer(before)
      runningAverages(old.values[statistics], sums.values[statistics], examples: 60, into: expected.all)
      #expect(Array(store.current.array[statistics]) == expected.array)
      withExtendedLifetime(old) {}
    }
    withExtendedLifetime(sums) {}
  }
}
