import Foundation
import Kernels
import Testing

@testable import Optimizers

/// The float64 script's numbers; see Fixtures/make-fixtures.py.
private struct Fixture: Decodable, Sendable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let rule: String
    let options: [String: Double]
    let parameters: [String: [Double]]
    var testDescription: String { "\(rule) \(options)" }
  }
  let examples: Int
  let start: [Float]
  let gradientSums: [[Float]]
  let cases: [Case]

  static let shared: Fixture = {
    let url = Bundle.module.url(forResource: "rules", withExtension: "json", subdirectory: "Fixtures")!
    // swift-format-ignore: NeverUseForceTry
    return try! JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
  }()
}

/// One training run of a vector under a rule.
private struct Trajectory {
  let rule: any UpdateRule
  let learningRate: Double
  var parameters: FloatBuffer
  var slots: [FloatBuffer]

  init(_ settings: OptimizerSettings, start: [Float]) throws {
    rule = try settings.rule()
    learningRate = settings.learningRate
    parameters = FloatBuffer(start)
    slots = type(of: rule).slots.map { _ in FloatBuffer(count: start.count) }
  }

  /// Applies one step, a range after the other.
  mutating func step(_ number: Int, _ gradientSum: [Float], examples: Int, ranges: [Range<Int>], isReference: Bool) {
    let updated = FloatBuffer(count: parameters.count)
    let gradient = FloatBuffer(gradientSum)
    let step = UpdateStep(number: number, examples: examples, learningRate: learningRate)
    for range in ranges {
      let update = UpdateRange(
        parameters: parameters.values[range], gradientSum: gradient.values[range], slots: slots.map { $0.all[range] },
        updated: updated.all[range])
      if isReference { rule.reference(update, step) } else { rule.update(update, step) }
    }
    parameters = updated
  }
}

@Suite struct RuleTests {
  private static let fixture = Fixture.shared

  @Test("200 steps agree with the float64 script", arguments: fixture.cases, [false, true])
  fileprivate func agreesWithScript(_ expected: Fixture.Case, isReference: Bool) throws {
    let fixture = Self.fixture
    var trajectory = try Trajectory(
      OptimizerSettings(expected.rule, given: expected.options), start: fixture.start)
    for (index, sums) in fixture.gradientSums.enumerated() {
      trajectory.step(
        index + 1, sums, examples: fixture.examples, ranges: [0..<fixture.start.count], isReference: isReference)
      guard let want = expected.parameters["\(index + 1)"] else { continue }
      for (element, value) in want.enumerated() {
        let got = Double(trajectory.parameters.values[element])
        #expect(
          abs(got - value) <= 2e-6 * max(1, abs(value)), "step \(index + 1), element \(element): \(got) for \(value)")
      }
    }
  }

  @Test("ragged ranges in any order give the same bits as one range", arguments: ["adam", "rmsprop"])
  func rangesDoNotMatter(_ name: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let count = 1003
    let start = FloatBuffer(count: count)
    Philox(seed: seed, stream: 1).fillUniform(start.all, bound: 2)
    var whole = try Trajectory(OptimizerSettings(name, given: [:]), start: start.values.array)
    var ragged = whole
    ragged.slots = whole.slots.map { _ in FloatBuffer(count: count) }
    for number in 1...7 {
      let gradient = FloatBuffer(count: count)
      Philox(seed: seed, stream: 2).fillUniform(gradient.all, bound: 3, first: UInt64(number) << 32)
      whole.step(number, gradient.values.array, examples: 5, ranges: [0..<count], isReference: false)
      ragged.step(
        number, gradient.values.array, examples: 5, ranges: [700..<count, 0..<1, 17..<700, 1..<17], isReference: false)
      let same = zip(whole.parameters.values.array, ragged.parameters.values.array).allSatisfy {
        $0.bitPattern == $1.bitPattern
      }
      #expect(same, "seed \(seed), step \(number)")
    }
  }
}

@Suite struct OptimizerSettingsTests {
  @Test func fillsInTheDefaultsOfThePaper() throws {
    let adam = try OptimizerSettings("adam", given: ["beta1": 0.5])
    #expect(adam.values == ["learning-rate": 0.001, "beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8])
    #expect(adam.learningRate == 0.001)
  }

  @Test(
    "refuses what makes no sense, by name",
    arguments: [
      ("sgdd", [:], "--optimizer sgdd: unknown optimizer; known are adam, rmsprop"),
      ("rmsprop", ["beta1": 0.9], "--beta1 does not go with --optimizer rmsprop; it belongs to adam"),
      ("adam", ["rho": 0.9], "--rho does not go with --optimizer adam; it belongs to rmsprop"),
      ("adam", ["beta2": 1], "--beta2 1.0: for adam it must be at least 0 and below 1"),
      (
        "adam", ["learning-rate": -1], "--learning-rate -1.0: for adam it must be above 0, and representable in float32"
      ),
      (
        "adam", ["learning-rate": .infinity],
        "--learning-rate inf: for adam it must be above 0, and representable in float32"
      ),
      ("adam", ["epsilon": 1e-50], "--epsilon 1e-50: for adam it must be above 0, and representable in float32"),
      ("rmsprop", ["epsilon": 0], "--epsilon 0.0: for rmsprop it must be above 0, and representable in float32"),
      ("rmsprop", ["rho": .nan], "--rho nan: for rmsprop it must be at least 0 and below 1"),
    ] as [(String, [String: Double], String)])
  func refuses(_ name: String, _ given: [String: Double], _ message: String) {
    #expect(throws: OptimizerError(description: message)) { try OptimizerSettings(name, given: given) }
  }
}
