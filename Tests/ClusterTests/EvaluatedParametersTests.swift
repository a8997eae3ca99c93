import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Protocol
@testable import Runs
@testable import Schema

/// What evaluations read in place of the parameters that are trained.
@Suite struct EvaluatedParametersTests {
  private func store(_ options: [(String, String)]) throws -> (ParameterStore, PreparedJob, ChunkLayout) {
    var job = JobOptions()
    for (name, value) in [("model", "resnet:1"), ("channels", "8"), ("norm", "batch"), ("batch-size", "64")] + options {
      try job.set(name, to: value)
    }
    let prepared = try PreparedJob(job, models: ModelFactory.builtIn)
    let optimizer = try prepared.optimizer()
    let chunks = ChunkLayout(
      prepared.model.layout, moments: prepared.plan.local.map { _ in optimizer.slots.count }, size: 50,
      precision: prepared.job.precision, isAveraged: prepared.job.isAveraged)
    let store = ParameterStore(chunks, optimizer, isShared: false) { prepared.model.initialize($0, seed: 0) }
    return (store, prepared, chunks)
  }

  private func step(_ store: inout ParameterStore, _ chunks: ChunkLayout, _ number: Int, of count: Int = 1) {
    let sums = FloatBuffer((0..<chunks.valueCount).map { Float(($0 * number) % 7) - 3 })
    store.begin(number, steps: count, isLast: false, weight: 60) {
      (0..<chunks.parameterChunks).map { (chunks[$0], FloatBuffer(Array(sums.array[chunks[$0]]))) }
    }
    for chunk in chunks.indices.reversed() { _ = store.update(chunk, examples: 60)(sums.values[chunks[chunk]]) }
    store.advance()
  }

  /// Of an element's values v₁ … vₙ after the updates of t₁ … tₙ: Σ (dᵗⁿ⁻ᵗⁱ − dᵗⁿ⁻ᵗⁱ⁻¹) vᵢ / (1 − dᵗⁿ), in float64.
  private func average(_ path: [(updates: Int, values: [Float])], decay: Double) -> [Double] {
    func power(_ exponent: Int) -> Double { (0..<exponent).reduce(1) { result, _ in result * decay } }
    let last = path.last!.updates
    var sum = [Double](repeating: 0, count: path[0].values.count)
    var before = 0
    for (updates, values) in path {
      let weight = power(last - updates) - power(last - before)
      for index in values.indices { sum[index] += weight * Double(values[index]) }
      before = updates
    }
    return sum.map { $0 / (1 - power(last)) }
  }

  @Test(
    "an exponential average is that of the parameters and statistics after each round, corrected for its start",
    arguments: [
      [], [("precision", "bf16")], [("clip-norm", "0.1")], [("local-steps", "4"), ("replicas", "2")],
    ] as [[(String, String)]])
  func exponential(_ options: [(String, String)]) throws {
    var (store, prepared, chunks) = try store(options + [("ema", "0.75"), ("optimizer", "adam")])
    let count = chunks.modelCount
    #expect(count > chunks.parameterCount && store.evaluated.array == store.model.array)
    var path: [(updates: Int, values: [Float])] = []
    var held: (FloatBuffer, [Float])?
    let isLocal = prepared.plan.local != nil
    for round in 1...7 {
      // The last one of an epoch is shorter.
      let steps = isLocal ? (round % 3 == 0 ? 1 : 4) : 1
      step(&store, chunks, (path.last?.updates ?? 0) + 1, of: steps)
      path.append(((path.last?.updates ?? 0) + steps, store.model.array))
      let expected = average(path, decay: 0.75)
      let got = store.evaluated.array
      #expect(got.count == count)
      for (index, value) in expected.enumerated() where abs(Double(got[index]) - value) > 1e-5 * max(1, abs(value)) {
        Issue.record("round \(round), value \(index): \(got[index]) for \(value)")
        break
      }
      #expect(round == 1 ? got == store.model.array : got != store.model.array)
      // What is saved or sent does not change.
      if round == 2 { held = (store.evaluated, got) }
      if let held { #expect(held.0.array == held.1) }
    }
    #expect(store.parameters(isUpdated: false, .average).array.prefix(count) == store.evaluated.array[...])
  }

  @Test("Schedule-Free evaluates its own average, with the running statistics of training")
  func ofRule() throws {
    var (store, _, chunks) = try store([("optimizer", "schedule-free"), ("beta1", "0.75")])
    let parameters = chunks.parameterCount
    for number in 1...5 { step(&store, chunks, number) }
    let (theta, iterate, got) = (store.model.array, store.slots.array[..<parameters], store.evaluated.array)
    for index in 0..<parameters {
      let expected = Double(theta[index]) + (1 - 1 / 0.75) * (Double(iterate[index]) - Double(theta[index]))
      #expect(abs(Double(got[index]) - expected) <= 1e-6 * max(1, abs(expected)), "\(index)")
    }
    #expect(got[parameters...] == theta[parameters...] && got[..<parameters] != theta[..<parameters])
  }

  @Test("a resumed run goes on from its average", arguments: ["adam", "schedule-free", "muon"])
  func resumed(_ rule: String) throws {
    let options = [("optimizer", rule)] + (rule == "schedule-free" ? [] : [("ema", "0.9")])
    var (whole, prepared, chunks) = try store(options)
    for number in 1...3 { step(&whole, chunks, number) }
    let saved = SavedState(
      step: 3, optimizer: whole.state, parameters: whole.model, slots: whole.slots, average: whole.evaluated)
    var resumed = ParameterStore(saved, chunks, try prepared.optimizer(), isShared: false)
    for number in 4...6 {
      step(&whole, chunks, number)
      step(&resumed, chunks, number)
      #expect(resumed.evaluated.array == whole.evaluated.array && resumed.model.array == whole.model.array)
      #expect(resumed.evaluated.array != resumed.model.array)
    }
  }
}
