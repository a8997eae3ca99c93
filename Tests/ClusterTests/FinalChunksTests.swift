import Datasets
import Foundation
import Kernels
import Models
import Reduction
import TestSupport
import Testing
import ZeroMQ

@testable import Cluster
@testable import Protocol
@testable import Runs
@testable import Schema

/// Chunks of a gradient that are pushed before the whole is computed.
@Suite struct FinalChunksTests {
  @Test("a chunk is final with the last of its values, in whatever ranges they come")
  func ranges() {
    for seed in 0..<500 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      let layout = ChunkLayout(
        parameterCount: Int.random(in: 1...40, using: &random), statisticCount: Int.random(in: 0...10, using: &random),
        size: Int.random(in: 1...12, using: &random))
      var cuts = Set((0..<5).map { _ in Int.random(in: 0...layout.valueCount, using: &random) })
      cuts.formUnion([0, layout.valueCount])
      let bounds = cuts.sorted()
      let ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }.shuffled(using: &random)
      var final = FinalChunks(layout)
      var (values, found) = (Set<Int>(), Set<Int>())
      for range in ranges {
        values.formUnion(range)
        let new = final.add(range)
        #expect(found.isDisjoint(with: new), "seed \(seed)")
        found.formUnion(new)
        #expect(found == Set(layout.indices.filter { values.isSuperset(of: layout[$0]) }), "seed \(seed)")
      }
    }
  }

  private struct Report {
    let chunks: [Int]
    let weight: Double
    /// Of each of the chunks.
    let bits: [[UInt32]]
  }

  /// The reports of one node of a job's first step, with copies of the gradient at the time that they came, and the whole.
  private func compute(_ precision: Precision, reportsChunks: Bool) throws -> (
    ChunkLayout, [Report], NodeMetrics, [Float]
  ) {
    var options = JobOptions()
    try options.set("model", to: "mlp:256,128")
    let loaded = try options.load()
    let prepared = try PreparedJob(options, loaded, models: ModelFactory.builtIn)
    let task = LoadedTask(
      model: prepared.model, data: loaded, plan: prepared.plan, seed: prepared.job.seed, precision: precision)
    var welcome = Welcome.simulated
    welcome.scaling = FeatureScaling(offset: prepared.scaling.offset, factor: prepared.scaling.factor)
    welcome.chunkSize = 1 << 12
    let isThere = DispatchSemaphore(value: 0)
    let mailbox = Mailbox<WorkerNotice> { isThere.signal() }
    let engine = try makeEngine(task, welcome, threads: 1, mailbox: mailbox)
    defer { engine.close() }
    let parameters = FloatBuffer(count: prepared.model.layout.count)
    prepared.model.initialize(parameters.all, seed: 1)
    for chunk in engine.chunks.indices {
      let values = parameters.values[engine.chunks[chunk]]
      let payload: Payload = precision == .bf16 ? .frame(.init(packing: values)) : .frame(.init(copying: values.bytes))
      engine.store(payload, chunk: chunk, step: 0, precision.element)
    }
    engine.compute(Node(0..<2), .train(step: 0), nil, reportsChunks: reportsChunks)
    var reports: [Report] = []
    while true {
      try #require(isThere.wait(timeout: .now() + 60) == .success)
      for notice in mailbox.takeAll() {
        switch notice {
        case .final(_, let gradient, let chunks, let weight):
          let bits = chunks.map { engine.chunks[$0].map { gradient.buffer.values[$0].bitPattern } }
          reports.append(Report(chunks: chunks, weight: weight, bits: bits))
        case .computed(_, let metrics, let gradient):
          return (engine.chunks, reports, metrics[0], gradient!.buffer.array)
        default: Issue.record("\(notice)")
        }
      }
    }
  }

  @Test("what is reported early has its last bits, and the weight of the whole", arguments: [Precision.float32, .bf16])
  func engine(_ precision: Precision) throws {
    let (chunks, reports, metrics, whole) = try compute(precision, reportsChunks: true)
    let reported = reports.flatMap(\.chunks)
    #expect(Set(reported) == Set(chunks.indices) && reported.count == chunks.count && reports.count >= 2)
    // The last layers come first.
    #expect(reports[0].chunks.min()! > reports[reports.count - 1].chunks.min()!)
    for report in reports {
      #expect(report.weight == metrics.weight)
      for (chunk, bits) in zip(report.chunks, report.bits) {
        let isSame = bits == whole[chunks[chunk]].map(\.bitPattern)
        #expect(isSame, "chunk \(chunk) changed after its report")
      }
    }
    let (_, none, _, same) = try compute(precision, reportsChunks: false)
    #expect(none.isEmpty && same.map(\.bitPattern) == whole.map(\.bitPattern))
  }
}
