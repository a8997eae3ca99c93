import Datasets
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Models
@testable import Schema

/// A case of Fixtures/losses.py.
struct LossFixture: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let loss: String
  let options: [String: OptionValue]
  let rows: Int
  /// Of each row.
  let positions: Int
  let columns: Int
  let outputs: [Float]
  let targets: [Float]
  let weight: Double
  /// Nil if the weight is 0.
  let mean: Double?
  let gradient: [Double]
  let figures: [String: Double]

  var testDescription: String { name }

  static let all: [LossFixture] = {
    let url = Bundle.module.url(forResource: "losses", withExtension: "json", subdirectory: "Fixtures")!
    // swift-format-ignore: NeverUseForceTry
    return try! JSONDecoder().decode([LossFixture].self, from: Data(contentsOf: url))
  }()

  var target: Target {
    loss != "cross-entropy"
      ? .regression(outputs: columns)
      : positions > 1 ? .positions(count: positions, classes: columns) : .classification(classes: columns)
  }

  func makeLoss() throws -> any Loss {
    let type = try #require(Losses.named(loss))
    let values = try #require(Losses.selector.alternative(loss)).values(options)
    return try type.init(OptionValues(values), for: target)
  }

  /// The loss and its gradient for the targets in `range`.
  func compute(_ range: Range<Int>, _ loss: any Loss) -> (metrics: Metrics, gradient: [Float]) {
    let outputs = FloatBuffer(Array(outputs[range.lowerBound * columns..<range.upperBound * columns]))
    if self.loss == "cross-entropy" {
      let labels = LabelBuffer(count: range.count)
      for (place, row) in range.enumerated() { labels[place] = Int32(targets[row]) }
      let metrics = loss.gradient(outputs.all, columns: columns, targets: .classes(labels.prefix(range.count)))
      return (metrics, outputs.array)
    }
    let values = FloatBuffer(Array(targets[range.lowerBound * columns..<range.upperBound * columns]))
    let metrics = withExtendedLifetime(values) {
      loss.gradient(
        outputs.all, columns: columns, targets: .values(Matrix(values.values, rows: range.count, columns: columns)))
    }
    return (metrics, outputs.array)
  }

  /// As ``Examples/targetVariation``.
  var targetVariation: Double? {
    guard loss != "cross-entropy" else { return nil }
    return (0..<columns).reduce(0) { sum, column in
      let values = (0..<rows).map { Double(targets[$0 * columns + column]) }
      let mean = values.reduce(0, +) / Double(rows)
      return sum + values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
  }
}

@Suite struct LossTests {
  @Test("the loss, its gradient and its figures are PyTorch's", arguments: LossFixture.all)
  func agrees(_ fixture: LossFixture) throws {
    let loss = try fixture.makeLoss()
    let (metrics, gradient) = fixture.compute(0..<fixture.rows * fixture.positions, loss)
    #expect(metrics.sums.count == loss.metrics.sums.count)
    #expect(abs(metrics.weight - fixture.weight) <= 1e-6 * fixture.weight)
    if let mean = fixture.mean {
      let found = metrics.loss / metrics.weight
      #expect(abs(found - mean) <= 2e-6 * abs(mean) + 1e-9, "\(found) for \(mean)")
    } else {
      #expect(metrics.weight == 0 && metrics.loss == 0)
    }
    let largest = max(fixture.gradient.map(abs).max() ?? 0, 1e-30)
    for (index, (found, expected)) in zip(gradient, fixture.gradient).enumerated() {
      #expect(
        abs(Double(found) - expected) <= 1e-6 * abs(expected) + 3e-7 * largest + 1e-7 / Double(fixture.columns),
        "output \(index): \(found) for \(expected)")
    }
    let figures = loss.metrics.values(
      weight: metrics.weight, metrics.sums, targetVariation: fixture.targetVariation)
    #expect(Set(figures.keys) == Set(fixture.figures.keys))
    for (name, expected) in fixture.figures {
      let found = try #require(figures[name])
      #expect(abs(found - expected) <= 3e-6 * max(1, abs(expected)), "\(name): \(found) for \(expected)")
    }
  }

  @Test("a row's gradient and loss do not depend on the rows beside it", arguments: LossFixture.all)
  func rows(_ fixture: LossFixture) throws {
    let loss = try fixture.makeLoss()
    let count = fixture.rows * fixture.positions
    let whole = fixture.compute(0..<count, loss)
    let single = (0..<count).map { fixture.compute($0..<$0 + 1, loss) }
    #expect(single.flatMap(\.gradient).map(\.bitPattern) == whole.gradient.map(\.bitPattern))
    // Both add the rows in order.
    var sum = single[0].metrics
    for next in single.dropFirst() { sum = sum + next.metrics }
    #expect(sum == whole.metrics)
  }

  @Test("a loss whose options change nothing has the plain one's bits")
  func plainBits() throws {
    let fixture = try #require(LossFixture.all.first { $0.name == "more than 10 classes" })
    let plain = fixture.compute(0..<fixture.rows, CrossEntropy())
    let ones = OptionValues(["class-weights": .text(Array(repeating: "1", count: 11).joined(separator: ","))])
    let weighted = fixture.compute(0..<fixture.rows, try CrossEntropy(ones, for: fixture.target))
    #expect(plain.gradient == weighted.gradient)
    #expect(plain.metrics.loss == weighted.metrics.loss && plain.metrics.weight == weighted.metrics.weight)
  }

  @Test("what is not finite shows in the loss and the gradient")
  func notFinite() throws {
    for loss in Losses.registry.all.map({ $0.init() }) {
      let outputs = FloatBuffer([.nan, 1, 2])
      let labels = LabelBuffer(count: 1)
      labels[0] = 1
      let values = FloatBuffer(count: 3)
      let targets: Batch.Targets =
        type(of: loss).classifies
        ? .classes(labels.prefix(1)) : .values(Matrix(values.values, rows: 1, columns: 3))
      let metrics = withExtendedLifetime((labels, values)) {
        loss.gradient(outputs.all, columns: 3, targets: targets)
      }
      #expect(!metrics.loss.isFinite && !outputs.all[0].isFinite, "\(loss)")
    }
  }

  @Test(
    "options that do not suit the classes are refused",
    arguments: [
      ("class-weights", "1,2", "there are 3 classes, and 2 weights"),
      ("class-weights", "0,0,0", "no class counts anything"), ("ignored-class", 3, "the classes are 0 to 2"),
    ] as [(String, OptionValue, String)])
  func refused(_ name: String, _ value: OptionValue, _ message: String) {
    for target in [Target.classification(classes: 3), .positions(count: 4, classes: 3)] {
      let error = #expect(throws: OptionError.self) { try CrossEntropy(OptionValues([name: value]), for: target) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
  }
}
