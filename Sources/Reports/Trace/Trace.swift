internal import Foundation
internal import Kernels
package import Optimizers

/// An update rule's path over a test function. The rule is at work exactly as in training: on a float32 vector of two
/// parameters, with the gradient sum of one example, an epoch being a step and every step evaluated.
package struct Trace: Sendable {
  package let settings: OptimizerSettings
  package let function: TestFunction
  /// Where it is before the first step and after each.
  package let points: [(x: Double, y: Double)]
  package let values: [Double]
  /// The step after which it is lost: not finite, or farther from the minimum than a million.
  package let lostAt: Int?

  /// Takes `steps` steps from `start`, fewer where it is lost.
  package init(_ settings: OptimizerSettings, on function: TestFunction, from start: (x: Double, y: Double), steps: Int)
    throws
  {
    self.settings = settings
    self.function = function
    var optimizer = try Optimizer(settings, tensors: [.init("point", 0..<2)], total: steps, stepsPerEpoch: 1)
    var (current, next) = (FloatBuffer([Float(start.x), Float(start.y)]), FloatBuffer(count: 2))
    let (gradient, slots) = (FloatBuffer(count: 2), optimizer.slots.map { _ in FloatBuffer(count: 2) })
    var points = [(x: Double(current.values[0]), y: Double(current.values[1]))]
    var values = [function.value(points[0].x, points[0].y)]
    var lostAt: Int?
    for step in 0..<steps {
      let slope = function.gradient(points[step].x, points[step].y)
      (gradient.all[0], gradient.all[1]) = (Float(slope.x), Float(slope.y))
      let part = Optimizer.Part(
        start: 0, parameters: current.values, gradientSum: gradient.values, slots: slots.map(\.all), updated: next.all)
      optimizer.begin(examples: 1, [part])
      optimizer.update(part)
      swap(&current, &next)
      let point = (x: Double(current.values[0]), y: Double(current.values[1]))
      let value = function.value(point.x, point.y)
      guard value.isFinite, hypot(point.x - function.minimum.x, point.y - function.minimum.y) < 1e6 else {
        lostAt = step + 1
        if point.x.isFinite && point.y.isFinite { points.append(point) }
        break
      }
      points.append(point)
      values.append(value)
      optimizer.evaluated(testLoss: value)
    }
    withExtendedLifetime((current, next, gradient, slots)) {}
    (self.points, self.values, self.lostAt) = (points, values, lostAt)
  }

  /// The function in the end; infinite where the path is lost.
  package var finalValue: Double { lostAt == nil ? values[values.count - 1] : .infinity }

  /// How far from the minimum it ends.
  package var distance: Double {
    guard lostAt == nil, let last = points.last else { return .infinity }
    return hypot(last.x - function.minimum.x, last.y - function.minimum.y)
  }

  /// Steps until the function is below `value` for the first time; nil where it never is.
  package func steps(below value: Double) -> Int? { values.firstIndex { $0 < value } }

  /// The function's mean over the second half of the path; infinite where the path is lost.
  package var lateMean: Double {
    let late = values[(values.count / 2)...]
    return lostAt == nil ? late.reduce(0) { $0 + $1 / Double(late.count) } : .infinity
  }

  /// Whether it never rises above where it starts.
  package var staysBelowStart: Bool { lostAt == nil && values.allSatisfy { $0 <= values[0] } }
}

extension Trace {
  /// The learning rates that are tried where none is given: 1, 2 and 5 times the powers of ten from 10⁻⁵ to 100.
  package static let rates: [Double] = (-5...2).flatMap { exponent in
    [1, 2, 5].compactMap { Double("\($0)e\(exponent)") }
  }

  /// The path with that one of ``rates`` by which it is lowest in its second half, on average (in the end it may be by
  /// chance), of those with which it never rises above where it starts; of all where it always does. The smallest one
  /// of equals.
  package static func tuned(
    _ name: String, given: [String: Double], on function: TestFunction, from start: (x: Double, y: Double), steps: Int
  ) throws -> Trace {
    let traces = try rates.map { rate in
      let settings = try OptimizerSettings(name, given: given.merging(["learning-rate": rate]) { $1 })
      return try Trace(settings, on: function, from: start, steps: steps)
    }
    let staying = traces.filter(\.staysBelowStart)
    return (staying.isEmpty ? traces : staying).min { $0.lateMean < $1.lateMean } ?? traces[0]
  }
}
