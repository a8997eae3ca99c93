import Datasets
import Kernels
import Schema
import TestSupport
import Testing

@testable import Models

/// What the models of `--model` report, at the sizes that they have there.
@Suite struct NamedModelReportTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var options: [String: OptionValue] = [:]
    var shape = [28, 28, 1]
    var target = Target.classification(classes: 10)
    var embedded: [(feature: Int, vectors: Int)] = []

    var testDescription: String { "\(name) \(options) \(embedded)" }

    func model() throws -> any Model {
      let factory = try #require(ModelFactory.builtIn.first { $0.name == name })
      var request = ModelRequest(
        shape: shape, target: target, loss: target == .regression(outputs: 0) ? .meanSquaredError : .crossEntropy,
        options: OptionValues(try factory.alternative.values(options)))
      request.embedded = embedded
      return try factory.model(request)
    }

    /// Whole numbers below `classes` as features and targets, random ones where examples are images.
    func withBatch(_ count: Int, seed: UInt64, _ body: (Batch) -> Void) {
      let inputs = shape.reduce(1, *)
      let features = FloatBuffer(count: count * inputs)
      let labels = LabelBuffer(count: count * target.positions)
      for index in 0..<labels.count { labels[index] = Int32(index % 7) }
      Philox(seed: seed, stream: 9).fillUniform(features.all, bound: 1)
      if shape.count == 1 { for index in features.all.indices { features.all[index] = Float(index * index % 7) } }
      let targets: Batch.Targets =
        target.isClassification
        ? .classes(labels.prefix(labels.count)) : .values(Matrix(features.values[0..<0], rows: count, columns: 0))
      body(Batch(features: Matrix(features.values, rows: count, columns: inputs), targets: targets))
      withExtendedLifetime((features, labels)) {}
    }
  }

  private static let text = Target.positions(count: 12, classes: 30)

  static let cases = [
    Case(name: "mlp"), Case(name: "mlp", options: ["dropout": 0.2], shape: [9]),
    Case(name: "mlp", shape: [9], embedded: [(2, 5), (7, 3000)]), Case(name: "linear"), Case(name: "lenet"),
    Case(name: "cnn", shape: [12, 12, 3]), Case(name: "resnet", shape: [8, 8, 3]),
    Case(name: "resnet", options: ["norm": "layer"], shape: [8, 8, 3]),
    Case(name: "resnet", options: ["norm": "batch"], shape: [8, 8, 3]),
    Case(name: "transformer", options: ["layers": 1], shape: [12], target: text),
    Case(name: "transformer", options: ["layers": 1, "tied": true], shape: [12], target: text),
    Case(name: "quadratic", options: ["shape": "300,100"], shape: [0], target: .regression(outputs: 0)),
  ]

  @Test("each value is reported once, with its final bits, in few reports", arguments: cases)
  func finalBits(_ named: Case) throws {
    func check<M: Model>(_ model: M) {
      let seed = UInt64.random(in: 0...UInt64.max)
      let parameters = FloatBuffer(count: model.layout.count)
      model.initialize(parameters.all, seed: seed)
      var workspace = model.makeWorkspace()
      named.withBatch(7, seed: seed) { batch in
        for microBatches in [[0..<7], [0..<2, 2..<7], [0..<1, 1..<3, 3..<5, 5..<6, 6..<7]] {
          let comment: Comment = "\(microBatches), seed \(seed)"
          let reports = FinalReports(of: model, batch, microBatches, at: parameters, using: &workspace)
          reports.expectFinal(comment)
          #expect(reports.ranges.count <= 2 * parameters.count / FinalRanges.least + 1, comment)
          let whole = FloatBuffer(count: parameters.count)
          var scratch = ScratchVectors()
          let metrics = model.gradient(
            of: batch, microBatches: microBatches, at: parameters.values, into: whole.all, using: &workspace,
            scratch: &scratch)
          let isSame = reports.gradient == whole.array.bits
          #expect(isSame && reports.metrics == metrics, comment)
        }
      }
    }
    check(try named.model())
  }

  @Test("each named model has a case")
  func allModels() {
    #expect(Set(Self.cases.map(\.name)) == Set(ModelFactory.builtIn.map(\.name)))
  }

  @Test("a model that reports nothing itself has its whole gradient reported at the end")
  func defaultReport() {
    let model = Halved(model: Quadratic(shape: [5]))
    let parameters = FloatBuffer([1, 2, 3, 4, 5])
    Case(name: "quadratic", shape: [0], target: .regression(outputs: 0)).withBatch(4, seed: 1) { batch in
      var workspace: Void = ()
      let own = FinalReports(of: model.model, batch, [0..<1, 1..<4], at: parameters, using: &workspace)
      #expect(own.ranges == [0..<5] && own.copies == [own.gradient])
      #expect(own.gradient == [Float](arrayLiteral: 1.6, 3.2, 4.8, 6.4, 8).bits)
      // The model's own sum of micro-batches is called, not the default's.
      let halved = FinalReports(of: model, batch, [0..<1, 1..<4], at: parameters, using: &workspace)
      #expect(halved.ranges == [0..<5] && halved.copies == [halved.gradient])
      #expect(halved.gradient == [Float](arrayLiteral: 0.8, 1.6, 2.4, 3.2, 4).bits)
    }
  }
}

/// A model with a sum of micro-batches of its own, as programs had it before there were reports.
private struct Halved: Model {
  let model: Quadratic
  var layout: ParameterLayout { model.layout }

  func initialize(_ parameters: MutableFloats, seed: UInt64) { model.initialize(parameters, seed: seed) }
  func makeWorkspace() {}

  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Void
  ) -> Metrics { model.gradient(of: batch, at: parameters, into: gradient, using: &workspace) }

  func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Void, scratch: inout ScratchVectors
  ) -> [Metrics] {
    let metrics = model.gradient(
      of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &workspace, scratch: &scratch)
    for index in gradient.indices { gradient[index] *= 0.5 }
    return metrics
  }

  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Void) -> Metrics {
    model.evaluate(batch, at: parameters, using: &workspace)
  }
}
