import Datasets
import Kernels
import Models
import Optimizers
import Testing
import ZeroMQ

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// Jobs of bf16, below the level of runs.
@Suite struct RoundedTests {
  /// By the arithmetic of doubles, for numbers that are not subnormal.
  private func rounded(_ x: Float) -> Float {
    guard x.isNormal else { return x }
    let unit = Double(x.ulp) * 65_536
    return Float((Double(x) / unit).rounded(.toNearestOrEven) * unit)
  }

  private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  private func prepare(_ chosen: [(String, String)]) throws -> (job: PreparedJob, data: LoadedData) {
    var options = JobOptions()
    for (name, value) in chosen { try options.set(name, to: value) }
    let data = try options.load()
    return (try PreparedJob(options, data, models: ModelFactory.builtIn), data)
  }

  private static let batchNorm = [
    ("model", "resnet:1"), ("channels", "8"), ("norm", "batch"), ("batch-size", "70"), ("micro-batches", "7"),
  ]

  @Test("leaves and the sums of nodes are rounded, statistics are not", arguments: [0..<1, 0..<4, 4..<7, 0..<7])
  func gradients(_ leaves: Range<Int>) throws {
    let (prepared, data) = try prepare(Self.batchNorm + [("precision", "bf16")])
    let model = prepared.model
    let count = model.layout.parameterCount
    #expect(count < model.layout.count)
    let parameters = FloatBuffer(count: model.layout.count)
    model.initialize(parameters.all, seed: 3)
    func compute<M: Model>(_ model: M) -> ([Float], (Node) -> [Float]) {
      let buffer = BatchBuffer(data.train, scaling: prepared.scaling)
      let task = LoadedTask(model: model, data: data, plan: prepared.plan, seed: 0, precision: .bf16)
      let differentiator = Differentiator(model, task, prepared.scaling)
      var scratch = differentiator.makeScratch()
      let all = leaves.map { prepared.plan.positions(of: $0..<$0 + 1, in: .train(step: 0)) }
      let gradient = FloatBuffer(count: model.layout.count)
      _ = differentiator.differentiate(all, step: 0, at: parameters.values, into: gradient.all, &scratch)
      let order = ExampleOrder(count: prepared.plan.trainCount, seed: 0, epoch: 0)
      var workspace = model.makeWorkspace()
      func sum(_ node: Node) -> [Float] {
        var values: [Float]
        if let (left, right) = node.children {
          values = zip(sum(left), sum(right)).map(+)
        } else {
          let positions = prepared.plan.positions(of: node.leaves, in: .train(step: 0))
          let batch = buffer.gather(
            positions, place: Batch.Place(seed: 0, step: 0, position: positions.lowerBound)
          ) { order[$0] }
          let leaf = FloatBuffer(count: model.layout.count)
          _ = model.gradient(of: batch, at: parameters.values, into: leaf.all, using: &workspace)
          values = leaf.array
        }
        for index in 0..<count { values[index] = rounded(values[index]) }
        return values
      }
      return (gradient.array, sum)
    }
    let (found, sum) = compute(model)
    let expected = withExtendedLifetime(parameters) { sum(Node(leaves)) }
    #expect(bits(found) == bits(expected))
    #expect(found[count...].contains { rounded($0) != $0 }, "the statistics would show it")
  }

  @Test("a chunk's sums are rounded, if they are of parameters")
  func chunkSums() throws {
    var layout = ParameterLayout()
    layout.append("w", shape: [100])
    layout.append("s", shape: [100], isStatistic: true)
    let chunks = ChunkLayout(layout, size: 100, precision: .bf16)
    let sums = ChunkSums(chunks, layout, nil) {}
    defer { sums.close() }
    let leaves = (1...3).map { leaf in (0..<100).map { rounded(Float($0 * 7919 % 1009 + leaf) * 0.37) } }
    for chunk in 0..<2 {
      for (leaf, values) in leaves.enumerated() {
        _ = sums.apply(.keep(Node(leaf..<leaf + 1), FloatBuffer(values)), to: chunk, step: 0)
      }
      _ = sums.apply(.combine(left: Node(0..<1), right: Node(1..<2)), to: chunk, step: 0)
      _ = sums.apply(.combine(left: Node(0..<2), right: Node(2..<3)), to: chunk, step: 0)
    }
    sums.finish()
    let roots = sums.roots.map(\.array)
    let plain = (0..<100).map { leaves[0][$0] + leaves[1][$0] + leaves[2][$0] }
    let expected = (0..<100).map { rounded(rounded(leaves[0][$0] + leaves[1][$0]) + leaves[2][$0]) }
    #expect(bits(roots[0]) == bits(expected) && bits(roots[1]) == bits(plain) && bits(plain) != bits(expected))
  }

  @Test("workers are given rounded copies of the parameters, which stay whole", arguments: [false, true])
  func parameters(isShared: Bool) throws {
    let prepared = try prepare(Self.batchNorm + [("precision", "bf16")]).job
    let chunks = ChunkLayout(prepared.model.layout, size: 20, precision: .bf16)
    let count = chunks.parameterCount
    var store = ParameterStore(chunks, try prepared.optimizer(), isShared: isShared) {
      prepared.model.initialize($0, seed: 0)
    }
    let sums = FloatBuffer((0..<chunks.valueCount).map { Float($0 % 7) - 3 })
    func check(isUpdated: Bool) {
      let exact = store.parameters(isUpdated: isUpdated, .float32).array
      let training = store.parameters(isUpdated: isUpdated, .bf16).array
      #expect(bits(Array(training[..<count])) == exact[..<count].map { rounded($0).bitPattern })
      #expect(training[..<count] != exact[..<count])
    }
    check(isUpdated: false)
    for number in 1...3 {
      let before = store.parameters(isUpdated: false, .bf16).array
      store.begin(number, steps: 1, isLast: false, weight: 60) { [] }
      for chunk in 0..<chunks.count {
        let range = chunks[chunk]
        let returned = store.update(chunk, examples: 60)(sums.values[range]).array
        #expect(chunks.kind(chunk) == .statistics || returned.allSatisfy { rounded($0) == $0 })
      }
      check(isUpdated: true)
      #expect(bits(store.parameters(isUpdated: false, .bf16).array) == bits(before), "those before the step are whole")
      store.advance()
      check(isUpdated: false)
    }
    if isShared {
      for element in [ElementKind.float32, .bf16] {
        #expect(store.shared?.index(of: store.parameters(isUpdated: false, element)) != nil)
      }
    }
    withExtendedLifetime(sums) {}
  }

  @Test func theDigestIsOfTheRoundedGradientAtRoundedParameters() throws {
    let job = [("model", "linear"), ("batch-size", "64"), ("micro-batches", "4")]
    let plain = try prepare(job).job
    let (prepared, data) = try prepare(job + [("precision", "bf16")])
    #expect(plain.numerics.digest != prepared.numerics.digest)
    func digest<M: Model>(_ model: M) -> String {
      let (parameters, gradient) = (FloatBuffer(count: model.layout.count), FloatBuffer(count: model.layout.count))
      model.initialize(parameters.all, seed: 0)
      for index in 0..<parameters.count { parameters.all[index] = rounded(parameters.values[index]) }
      let order = ExampleOrder(count: prepared.plan.trainCount, seed: 0, epoch: 0)
      let buffer = BatchBuffer(data.train, scaling: prepared.scaling)
      let batch = buffer.gather(
        0..<16, place: Batch.Place(seed: 0, step: 0, position: 0)
      ) { order[$0] }
      var workspace = model.makeWorkspace()
      let metrics = model.gradient(of: batch, at: parameters.values, into: gradient.all, using: &workspace)
      for index in 0..<gradient.count { gradient.all[index] = rounded(gradient.values[index]) }
      return withExtendedLifetime((buffer, parameters, gradient)) { Numerics.digest(of: metrics, gradient.all) }
    }
    #expect(digest(prepared.model) == prepared.numerics.digest)
  }

  @Test func aMessageOfHalfAValueHasNoFloats() {
    for count in [0, 1, 2, 3, 6, 7] {
      let message = Message(count: count)
      message.mutableBytes.copyBytes(from: [0x80, 0x3F, 0x80, 0xBF, 0x00, 0xC0, 0x01].prefix(count))
      let values = message.floats(of: .bf16)?.array
      #expect(values == (count == 0 || count % 2 == 1 ? nil : Array([1, -1, -2].prefix(count / 2))))
    }
  }
}
