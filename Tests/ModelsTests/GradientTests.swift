import Datasets
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Models
@testable import Schema

/// The perceptron in double, written plainly from its definition: the loss alone. Weights are [in, out].
private struct DoublePerceptron {
  let sizes: [Int]
  let activation: Activation
  let loss: any Loss
  /// What hidden value (layer, example, column) is multiplied by.
  let factor: (Int, Int, Int) -> Double

  func loss(_ parameters: [Double], _ features: [[Double]], classes: [Int], values: [[Double]]) -> Double {
    var total = 0.0
    for (example, row) in features.enumerated() {
      var x = row
      var offset = 0
      for layer in 0..<sizes.count - 1 {
        let (inputs, outputs) = (sizes[layer], sizes[layer + 1])
        var y = [Double](repeating: 0, count: outputs)
        for o in 0..<outputs {
          y[o] = parameters[offset + inputs * outputs + o]
          for i in 0..<inputs { y[o] += x[i] * parameters[offset + i * outputs + o] }
        }
        offset += (inputs + 1) * outputs
        x = layer == sizes.count - 2 ? y : y.enumerated().map { activate($1) * factor(layer, example, $0) }
      }
      switch loss {
      case is CrossEntropy: total += log(x.reduce(0) { $0 + exp($1) }) - x[classes[example]]
      default: total += zip(x, values[example]).reduce(0) { $0 + term($1.0, $1.1) } / Double(x.count)
      }
    }
    return total
  }

  private func term(_ output: Double, _ target: Double) -> Double {
    let error = output - target
    switch loss {
    case is MeanSquaredError: return error * error
    case is MeanAbsoluteError: return abs(error)
    case is Huber: return abs(error) < 1 ? error * error / 2 : abs(error) - 0.5
    case is BinaryCrossEntropy: return max(output, 0) - output * target + log(1 + exp(-abs(output)))
    default: preconditionFailure("\(loss) has no definition here")
    }
  }

  private func activate(_ x: Double) -> Double {
    switch activation {
    case .relu: max(0, x)
    case .tanh: Foundation.tanh(x)
    case .sigmoid: 1 / (1 + exp(-x))
    case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
    case .silu: x / (1 + exp(-x))
    case .geluTanh: x * 0.5 * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }
}

private func perceptron(
  inputs: Int, hidden: [Int], outputs: Int, activation: Activation, loss: any Loss, dropout: Double = 0
) throws -> Network {
  try Network(
    MultilayerPerceptron(hidden: hidden, outputs: outputs, activation: activation, dropout: dropout), input: [inputs],
    loss: loss)
}

@Suite struct GradientTests {
  struct Setup: CustomTestStringConvertible, Sendable {
    let hidden: [Int]
    let activation: Activation
    let loss: any Loss
    var dropout = 0.0
    var testDescription: String { "\(hidden) \(activation) \(loss) \(dropout)" }
  }
  static let setups: [Setup] = Losses.registry.all.map { $0.init() }.flatMap { loss in
    [Setup(hidden: [], activation: .relu, loss: loss)]
      + Activation.allCases.flatMap { activation in
        [
          Setup(hidden: [7], activation: activation, loss: loss),
          Setup(hidden: [6, 5], activation: activation, loss: loss),
          Setup(hidden: [6, 5], activation: activation, loss: loss, dropout: 0.3),
        ]
      }
  }

  @Test("the gradient and the loss agree with central differences in double", arguments: setups)
  func agreesWithCentralDifferences(_ setup: Setup) throws {
    let (inputs, outputs, examples) = (4, 3, 5)
    let seed = UInt64.random(in: 0...UInt64.max)
    let model = try perceptron(
      inputs: inputs, hidden: setup.hidden, outputs: outputs, activation: setup.activation, loss: setup.loss,
      dropout: setup.dropout)
    // The operations that drop, by their position in the record: after each linear operation and its activation.
    let operations = setup.hidden.indices.map { 2 + 3 * $0 + 1 }
    let parameters = FloatBuffer(count: model.layout.count)
    Philox(seed: seed, stream: 100).fillUniform(parameters.all, bound: 0.8)
    let features = FloatBuffer(count: examples * inputs)
    Philox(seed: seed, stream: 101).fillUniform(features.all, bound: 1)
    let values = FloatBuffer(count: examples * outputs)
    Philox(seed: seed, stream: 102).fillUniform(values.all, bound: 1)
    let labels = LabelBuffer(count: examples)
    for index in 0..<examples { labels[index] = Int32(index % outputs) }
    let targets: Batch.Targets =
      setup.loss is CrossEntropy
      ? .classes(labels.prefix(examples)) : .values(Matrix(values.values, rows: examples, columns: outputs))
    let place = Batch.Place(seed: seed, step: 11, position: 29)
    let batch = Batch(
      features: Matrix(features.values, rows: examples, columns: inputs), targets: targets, place: place)

    let gradient = FloatBuffer(count: model.layout.count)
    gradient.all.fill(.nan)
    var workspace = model.makeWorkspace()
    let metrics = model.gradient(of: batch, at: parameters.values, into: gradient.all, using: &workspace)
    let evaluated = model.evaluate(batch, at: parameters.values, using: &workspace)
    if setup.dropout == 0 { #expect(evaluated == metrics) }

    let sizes = [inputs] + setup.hidden + [outputs]
    let undropped = DoublePerceptron(sizes: sizes, activation: setup.activation, loss: setup.loss) { _, _, _ in 1 }
    let plain = DoublePerceptron(sizes: sizes, activation: setup.activation, loss: setup.loss) {
      layer, example, column in
      let dropout = DropoutMask(
        rate: setup.dropout, seed: seed, step: place.step, operation: operations[layer])
      let isKept = dropout.keeps(position: place.position + example, column: column, of: setup.hidden[layer])
      return isKept ? 1 / (1 - setup.dropout) : 0
    }
    func rows(_ buffer: FloatBuffer, _ columns: Int) -> [[Double]] {
      (0..<examples).map { row in (0..<columns).map { Double(buffer.values[row * columns + $0]) } }
    }
    let start = parameters.values.array.map(Double.init)
    func loss(_ parameters: [Double], of model: DoublePerceptron? = nil) -> Double {
      (model ?? plain).loss(
        parameters, rows(features, inputs), classes: (0..<examples).map { Int(labels[$0]) },
        values: rows(values, outputs))
    }
    #expect(abs(metrics.loss - loss(start)) <= 1e-5 * max(1, loss(start)), "seed \(seed)")
    let whole = loss(start, of: undropped)
    #expect(abs(evaluated.loss - whole) <= 1e-5 * max(1, whole), "evaluating drops nothing; seed \(seed)")
    let largest = gradient.values.array.map { abs(Double($0)) }.max()!
    for index in start.indices {
      let step = 1e-5
      var (low, high) = (start, start)
      low[index] -= step
      high[index] += step
      // They differ where an activation has a kink between the two.
      let slopes = [(loss(start) - loss(low)) / step, (loss(high) - loss(start)) / step]
      let (least, most) = (slopes.min()!, slopes.max()!)
      let got = Double(gradient.values[index])
      // Relative to the element, and where that is tiny to the gradient's own size.
      let tolerance = 1e-3 * max(abs(least), 1e-2 * largest)
      #expect(
        got >= least - tolerance && got <= most + tolerance,
        "seed \(seed), parameter \(index): \(got) for \(least) to \(most)")
    }
  }
}

/// A perceptron that leaves summing micro-batches to the default.
private struct OneByOne: Model {
  let perceptron: Network
  var layout: ParameterLayout { perceptron.layout }

  func initialize(_ parameters: MutableFloats, seed: UInt64) { perceptron.initialize(parameters, seed: seed) }
  func makeWorkspace() -> NetworkRun { perceptron.makeWorkspace() }

  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout NetworkRun
  ) -> Metrics {
    perceptron.gradient(of: batch, at: parameters, into: gradient, using: &workspace)
  }

  func evaluate(
    _ batch: Batch, at parameters: Floats, using workspace: inout NetworkRun
  ) -> Metrics {
    perceptron.evaluate(batch, at: parameters, using: &workspace)
  }
}

@Suite struct MicroBatchTests {
  @Test(
    "a perceptron sums micro-batches to the bits of one after the other", arguments: [0.0, 0.25], [1, 2, 5, 8, 13])
  func sameBits(_ dropout: Double, _ count: Int) throws {
    try checkBits(.crossEntropy, dropout, count)
  }

  @Test("so does every loss, with all options", arguments: Losses.registry.all.map { $0.name }, [1, 5, 8])
  func sameBitsOfLosses(_ name: String, _ count: Int) throws {
    let given: [String: OptionValue] = ["label-smoothing": 0.1, "class-weights": "1,0.5,2,0.3", "ignored-class": 2]
    let values = try #require(Losses.selector.alternative(name)).values(given)
    let type = try #require(Losses.named(name))
    let target = type.classifies ? Target.classification(classes: 4) : .regression(outputs: 4)
    try checkBits(type.init(OptionValues(values), for: target), 0, count)
  }

  private func checkBits(_ loss: any Loss, _ dropout: Double, _ count: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let perceptron = try perceptron(
      inputs: 30, hidden: [70, 20], outputs: 4, activation: .gelu, loss: loss, dropout: dropout)
    let parameters = FloatBuffer(count: perceptron.layout.count)
    perceptron.initialize(parameters.all, seed: seed)
    var microBatches: [Range<Int>] = []
    for _ in 0..<count {
      let start = microBatches.last?.upperBound ?? 0
      microBatches.append(start..<start + Int.random(in: 1...30, using: &random))
    }
    let examples = microBatches.last!.upperBound
    let features = FloatBuffer(count: examples * 30)
    Philox(seed: seed, stream: 9).fillUniform(features.all, bound: 1)
    let labels = LabelBuffer(count: examples)
    for index in 0..<examples { labels[index] = Int32(index % 4) }
    let values = FloatBuffer(count: examples * 4)
    Philox(seed: seed, stream: 10).fillUniform(values.all, bound: 1)
    let batch = Batch(
      features: Matrix(features.values, rows: examples, columns: 30),
      targets: type(of: loss).classifies
        ? .classes(labels.prefix(examples)) : .values(Matrix(values.values, rows: examples, columns: 4)),
      place: Batch.Place(seed: seed, step: 3, position: 17))

    func sum(_ model: some Model<NetworkRun>) -> (gradient: [UInt32], metrics: [Metrics]) {
      let gradient = FloatBuffer(count: model.layout.count)
      gradient.all.fill(.nan)
      var workspace = model.makeWorkspace()
      var scratch = ScratchVectors()
      let metrics = model.gradient(
        of: batch, microBatches: microBatches, at: parameters.values, into: gradient.all, using: &workspace,
        scratch: &scratch)
      return (gradient.values.array.map(\.bitPattern), metrics)
    }
    let (together, oneByOne) = (sum(perceptron), sum(OneByOne(perceptron: perceptron)))
    #expect(together.gradient == oneByOne.gradient, "seed \(seed)")
    #expect(together.metrics == oneByOne.metrics, "seed \(seed)")
  }
}

@Suite struct PerceptronTests {
  @Test("tensors are named and oriented as PyTorch's Sequential has them")
  func layout() throws {
    let model = try perceptron(inputs: 4, hidden: [3], outputs: 2, activation: .relu, loss: .crossEntropy)
    #expect(model.layout.tensors.map(\.name) == ["0.weight", "0.bias", "2.weight", "2.bias"])
    #expect(model.layout.tensors.map(\.shape) == [[4, 3], [3], [3, 2], [2]])
    #expect(model.layout.tensors.map(\.savedShape) == [[3, 4], [3], [2, 3], [2]])
    #expect(model.layout.count == 4 * 3 + 3 + 3 * 2 + 2)
  }

  @Test(
    "weights start within He's or Glorot's bound, biases at zero; the seed alone decides",
    arguments: Activation.allCases)
  func initialization(_ activation: Activation) throws {
    let model = try perceptron(
      inputs: 300, hidden: [200], outputs: 10, activation: activation, loss: .crossEntropy)
    func initial(_ seed: UInt64) -> [Float] {
      let parameters = FloatBuffer(count: model.layout.count)
      parameters.all.fill(.nan)
      model.initialize(parameters.all, seed: seed)
      return parameters.values.array
    }
    let first = initial(1)
    #expect(first == initial(1))
    #expect(first != initial(2))
    let bounds: [Double] = [
      activation == .tanh || activation == .sigmoid ? 6.0 / 500 : 6.0 / 300, 0, 6.0 / 210, 0,
    ].map { $0.squareRoot() }
    for (tensor, bound) in zip(model.layout.tensors, bounds) {
      let values = first[tensor.range].map(Double.init)
      let largest = values.map(abs).max()!
      #expect(largest <= bound * 1.0001 && largest >= bound * 0.98)
      let variance = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      #expect(abs(variance - bound * bound / 3) <= 0.1 * bound * bound)
    }
  }

  @Test(
    "models that make no sense are refused by name",
    arguments: [
      ("mlp", "1048576,1048576", "makes more than 17179869184 parameters"), ("forest", "3", "known are mlp, linear"),
      ("mpl", "3", "did you mean 'mlp'?"),
    ])
  func refuses(_ name: String, _ hidden: String, _ message: String) {
    let request = ModelRequest(
      shape: [4], target: .classification(classes: 3), loss: .crossEntropy,
      options: OptionValues(["hidden": .text(hidden), "activation": "relu", "dropout": 0.0]))
    let error = #expect(throws: ModelError.self) { try ModelFactory.builtIn.make(name, request) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }
}
