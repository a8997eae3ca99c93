import Datasets
import Kernels
import Schema
import TestSupport
import Testing

@testable import Models

@Suite struct NoiseScaleTests {
  /// What the figures make of a step's sums.
  private func figures(
    _ leaves: [(weight: Double, gradient: [Double])], steps: Int = 1
  ) throws -> [String: Double] {
    var sums = [0.0, 0, 0, 0, 0]
    var weight = 0.0
    for step in 0..<steps {
      let own = leaves[step * leaves.count / steps..<(step + 1) * leaves.count / steps]
      let total = own.reduce(0) { $0 + $1.weight }
      var one = [0.0, 0, 0, 0, 0]
      var root = own[own.startIndex].gradient.map { _ in 0.0 }
      for (weight, gradient) in own {
        one[1] += gradient.reduce(0) { $0 + $1 * $1 } / weight
        one[2] += 1
        for index in root.indices { root[index] += gradient[index] }
      }
      NoiseScale.complete(&one, squares: root.reduce(0) { $0 + $1 * $1 }, weight: total)
      sums = zip(sums, one).map(+)
      weight += total
    }
    return MetricSchema.loss.adding(NoiseScale.sums, figures: NoiseScale.figures).values(weight: weight, sums)
  }

  /// A = 1/1 + 9/3 = 4, S = (1 + 9)/4 = 2.5: the variance is 1.5, |G|² (2.5 − 1.5)/4.
  @Test func twoMicroBatchesByHand() throws {
    let figures = try figures([(1, [1, 0]), (3, [0, 3])])
    #expect(figures == ["gradient_norm": 2.5.squareRoot() / 2, "noise_scale": 6])
    #expect(try self.figures([(4, [1, 3])]) == ["gradient_norm": 2.5.squareRoot() / 2], "one tells nothing of others")
    #expect(try self.figures([(1, [1]), (1, [-1])])["noise_scale"] == nil, "a mean of zero has no scale")
  }

  @Test("micro-batches of unequal weights have the noise scale that their examples are drawn with")
  func unbiased() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    /// Nearly normal, of variance 1.
    func noise() -> Double { (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &random) } }
    let (mean, deviation, steps) = ([0.5, -0.25, 0.125], 2.0, 3000)
    var leaves: [(weight: Double, gradient: [Double])] = []
    for _ in 0..<steps {
      for weight in [1.0, 2, 5, 8, 8, 8] {
        leaves.append((weight, mean.map { $0 * weight + noise() * deviation * weight.squareRoot() }))
      }
    }
    let expected = 3 * deviation * deviation / mean.reduce(0) { $0 + $1 * $1 }
    let got = try #require(figures(leaves, steps: steps)["noise_scale"])
    #expect(abs(got / expected - 1) < 0.1, "seed \(seed): \(got) for \(expected)")
  }

  @Test func gradientsKeepTheirBitsAndEachMicroBatchIsMeasured() throws {
    let network = try Network(
      MultilayerPerceptron(hidden: [6], outputs: 3, activation: .relu, dropout: 0), input: [5], loss: .crossEntropy)
    let model = NoiseMeasured(network)
    let (rows, count) = (11, network.layout.count)
    let (parameters, features) = (FloatBuffer(count: count), FloatBuffer(count: rows * 5))
    network.initialize(parameters.all, seed: 3)
    for index in features.all.indices { features.all[index] = Float(index % 7) - 3 }
    let labels = LabelBuffer(count: rows)
    for row in 0..<rows { labels[row] = Int32(row % 3) }
    let batch = Batch(features: Matrix(features.values, rows: rows, columns: 5), targets: .classes(labels.prefix(rows)))
    let microBatches = [0..<3, 3..<4, 4..<9, 9..<11]
    var scratch = ScratchVectors()
    let (plain, measured) = (FloatBuffer(count: count), FloatBuffer(count: count))
    var workspace = network.makeWorkspace()
    let expected = network.gradient(
      of: batch, microBatches: microBatches, at: parameters.values, into: plain.all, using: &workspace,
      scratch: &scratch)
    var reported: [Range<Int>] = []
    let metrics = model.gradient(
      of: batch, microBatches: microBatches, at: parameters.values, into: measured.all, using: &workspace,
      scratch: &scratch
    ) { range, _ in reported.append(range) }
    #expect(plain.array.map(\.bitPattern) == measured.array.map(\.bitPattern) && reported == [0..<count])
    for (index, microBatch) in microBatches.enumerated() {
      let own = FloatBuffer(count: count)
      let alone = network.gradient(of: batch[microBatch], at: parameters.values, into: own.all, using: &workspace)
      let squares = own.array.reduce(0.0) { $0 + Double($1) * Double($1) }
      #expect(metrics[index].weight == alone.weight && metrics[index].sums.dropLast(4) == expected[index].sums[...])
      #expect(abs(metrics[index].sums.suffix(4)[expected[index].sums.count] - squares / alone.weight) < 1e-9 * squares)
      #expect(metrics[index].sums.suffix(3) == [1, 0, 0])
    }
    let evaluated = model.evaluate(batch, at: parameters.values, using: &workspace)
    #expect(evaluated.sums.suffix(4) == [0, 0, 0, 0] && evaluated.sums.count == model.metrics.sums.count)
    #expect(model.metrics.values(weight: evaluated.weight, evaluated.sums)["noise_scale"] == nil)
    withExtendedLifetime((parameters, features, labels)) {}
  }
}
