import Foundation
import Optimizers
import Testing

@testable import Reports
@testable import Runs
@testable import Schema

@Suite struct TraceTests {
  private func settings(_ name: String, _ given: [String: OptionValue] = [:]) throws -> OptimizerSettings {
    try OptimizerSettings(name, given: given)
  }

  @Test("a test function's gradient is that of central differences, and its minimum is 0", arguments: TestFunction.all)
  func gradients(_ function: TestFunction) {
    let h = 1e-5
    for x in stride(from: function.x.lowerBound, through: function.x.upperBound, by: 0.37) {
      for y in stride(from: function.y.lowerBound, through: function.y.upperBound, by: 0.41) {
        let gradient = function.gradient(x, y)
        let across = (function.value(x + h, y) - function.value(x - h, y)) / (2 * h)
        let up = (function.value(x, y + h) - function.value(x, y - h)) / (2 * h)
        #expect(abs(gradient.x - across) < 1e-6 * max(1, abs(across)), "\(function.name) at \(x), \(y)")
        #expect(abs(gradient.y - up) < 1e-6 * max(1, abs(up)), "\(function.name) at \(x), \(y)")
        #expect(function.value(x, y) > 0 || (x, y) == function.minimum)
      }
    }
    let (x, y) = function.minimum
    let slope = function.gradient(x, y)
    #expect(function.value(x, y) == 0 && slope.x == 0 && slope.y == 0)
    #expect(function.x.contains(x) && function.y.contains(y))
    #expect(function.x.contains(function.start.x) && function.y.contains(function.start.y))
  }

  @Test func aPathIsTheRulesOwn() throws {
    let function = TestFunction.quadratic
    let sgd = try Trace(settings("sgd", ["learning-rate": 0.01]), on: function, from: (-4, 1.2), steps: 20)
    #expect(sgd.points.count == 21 && sgd.values.count == 21 && sgd.lostAt == nil)
    // (1 − η)ᵗ and (1 − 80 η)ᵗ times the start.
    #expect(abs(sgd.points[20].x - -4 * pow(0.99, 20)) < 1e-5 && abs(sgd.points[20].y - 1.2 * pow(0.2, 20)) < 1e-5)
    #expect(sgd.finalValue == sgd.values[20] && abs(sgd.distance - hypot(sgd.points[20].x, sgd.points[20].y)) < 1e-12)
    // Adam's first step is η in both directions, whatever the gradient.
    let adam = try Trace(settings("adam", ["learning-rate": 0.25]), on: function, from: (-4, 1.2), steps: 1)
    #expect(abs(adam.points[1].x - -3.75) < 1e-5 && abs(adam.points[1].y - 0.95) < 1e-5)
    // The norm of the whole gradient, and the schedule.
    let given: [String: OptionValue] = ["learning-rate": 1, "clip-norm": 2, "schedule": "linear"]
    let clipped = try Trace(settings("sgd", given), on: function, from: (-4, 1.2), steps: 2)
    let lengths = zip(clipped.points, clipped.points.dropFirst()).map { hypot($0.x - $1.x, $0.y - $1.y) }
    #expect(abs(lengths[0] - 2) < 1e-5 && abs(lengths[1] - 1) < 1e-5, "\(lengths)")
  }

  @Test func aPathToInfinityEndsWhereItIsLost() throws {
    let trace = try Trace(
      settings("sgd", ["learning-rate": 1]), on: .rosenbrock, from: TestFunction.rosenbrock.start, steps: 100)
    let lostAt = try #require(trace.lostAt)
    #expect(lostAt < 10 && trace.points.count <= lostAt + 1 && trace.values.allSatisfy(\.isFinite))
    #expect(trace.finalValue == .infinity && trace.distance == .infinity && !trace.staysBelowStart)
    let figure = TraceFigure(.rosenbrock, from: TestFunction.rosenbrock.start, steps: 100, isTuned: false, [trace])
    #expect(figure.svg.contains("sgd → ∞") && figure.svg.contains("∞ at step \(lostAt)"))
    #expect(figure.lines.last!.contains("∞ at step \(lostAt)") && figure.lines.last!.hasSuffix(" –"))
  }

  @Test("every rule gets somewhere by its own rate, which never takes it above the start", arguments: TestFunction.all)
  func tuned(_ function: TestFunction) throws {
    for rule in UpdateRules.builtIn {
      let trace = try Trace.tuned(rule.name, given: [:], on: function, from: function.start, steps: 500)
      #expect(trace.staysBelowStart && trace.finalValue < trace.values[0] / 20, "\(rule.name)")
      let rate = trace.settings.learningRate
      #expect(
        Trace.rates.contains(rate) && rate > Trace.rates.first! && rate < Trace.rates.last!, "\(rule.name) \(rate)")
      let again = try Trace(trace.settings, on: function, from: function.start, steps: 500)
      #expect(again.values == trace.values)
    }
  }

  @Test func theLowestEndComesFirstAndColoursFollowTheOrderGiven() throws {
    let function = TestFunction.quadratic
    let traces = try [0.001, 0.02].map {
      try Trace(settings("sgd", ["learning-rate": $0]), on: function, from: function.start, steps: 50)
    }
    let figure = TraceFigure(function, from: function.start, steps: 50, isTuned: false, traces)
    #expect(figure.lines[2].hasPrefix("sgd") && figure.lines[2].contains("0.02"))
    #expect(figure.lines[3].contains("0.001") && figure.lines.count == 4)
    #expect(figure.lines.allSatisfy { $0.count == figure.lines[0].count })
    let second = try #require(figure.svg.range(of: "stroke:var(--chart-1)")?.lowerBound)
    let table = try #require(figure.svg.range(of: "f in the end")?.lowerBound)
    #expect(second < table)
  }

  @Test func theViewGrowsToTheStart() {
    let function = TestFunction.quadratic
    let figure = TraceFigure(function, from: (20, 0), steps: 1, isTuned: false, [])
    #expect(figure.x.domain.lowerBound == function.x.lowerBound && figure.x.domain.upperBound > 20)
    #expect(figure.y.domain == function.y)
  }
}

extension TestFunction: CustomTestStringConvertible {
  /// Its name.
  public var testDescription: String { name }
}
