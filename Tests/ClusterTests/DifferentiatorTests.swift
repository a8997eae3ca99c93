import Kernels
import Models
import Testing

@testable import Cluster
@testable import Protocol
@testable import Runs
@testable import Schema

@Suite struct DifferentiatorTests {
  @Test("a worker's gradient is reported range by range, from the last layer to the first")
  func finalRanges() throws {
    var options = JobOptions()
    try options.set("model", to: "mlp:256,128")
    let loaded = try options.load()
    let prepared = try PreparedJob(options, loaded, models: ModelFactory.builtIn)
    let task = LoadedTask(model: prepared.model, data: loaded, plan: prepared.plan, seed: prepared.job.seed)
    func ranges<M: Model>(_ model: M) -> [Range<Int>] {
      let differentiator = Differentiator(model, task, prepared.scaling)
      var scratch = differentiator.makeScratch()
      let (parameters, gradient) = (FloatBuffer(count: model.layout.count), FloatBuffer(count: model.layout.count))
      let leaves = (0..<2).map { prepared.plan.positions(of: $0..<$0 + 1, in: .train(step: 0)) }
      var ranges: [Range<Int>] = []
      _ = withExtendedLifetime(parameters) {
        differentiator.differentiate(leaves, step: 0, at: parameters.values, into: gradient.all, &scratch) { range, _ in
          ranges.append(range)
        }
      }
      return ranges
    }
    // The last layer's 1,290 values are too few for a report of their own.
    #expect(ranges(prepared.model) == [16_640..<50_826, 0..<16_640])
  }
}
