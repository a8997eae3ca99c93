internal import Foundation
internal import Kernels
package import Optimizers
package import Schema

/// An update rule's path over a test function. The rule works exactly as in training: on a float32 vector of two
/// parameters, with the gradient sum of one example. Each step is an epoch, and is evaluated.
package struct Trace: Sendable {
  package let settings: OptimizerSettings
  /// Where it is before the first step and after each, and the function there.
  private(set) var points: [Point] = [], values: [Double] = []
  /// The step after which it is lost: not finite, or farther from the minimum than a million.
  private(set) var lostAt: Int?
  /// The function in the end, and how far from the minimum that is; both infinite where the path is lost.
  private(set) var finalValue = Double.infinity, distance = Double.infinity

  /// Takes `steps` steps from `start`, fewer where it is lost.
  package init(_ settings: OptimizerSettings, on function: TestFunction, from start: (x: Double, y: Double), steps: Int)
    throws
  {
    self.settings = settings
    var optimizer = try Optimizer(settings, tensors: [.init("point", 0..<2)], total: steps, stepsPerEpoch: 1)
    var (current, next) = (FloatBuffer([Float(start.x), Float(start.y)]), FloatBuffer(count: 2))
    let (gradient, slots) = (FloatBuffer(count: 2), optimizer.slots.map { _ in FloatBuffer(count: 2) })
    for step in 0...steps {
      let point = Point(Double(current.values[0]), Double(current.values[1]))
      finalValue = function.value(point.x, point.y)
      distance = hypot(point.x - function.minimum.x, point.y - function.minimum.y)
      if distance.isFinite { points.append(point) }
      guard finalValue.isFinite, distance < 1e6 else {
        (lostAt, finalValue, distance) = (step, .infinity, .infinity)
        break
      }
      values.append(finalValue)
      if step > 0 { optimizer.evaluated(testLoss: finalValue) }
      if step == steps { break }
      let slope = function.gradient(point.x, point.y)
      (gradient.all[0], gradient.all[1]) = (Float(slope.x), Float(slope.y))
      let part = Optimizer.Part(
        start: 0, parameters: current.values, gradientSum: gradient.values, slots: slots.map(\.all), updated: next.all)
      optimizer.begin(weight: 1, [part])
      optimizer.update(part)
      swap(&current, &next)
    }
    withExtendedLifetime((current, next, gradient, slots)) {}
  }

  /// The function's mean over the second half of the path; infinite where the path is lost.
  package var lateMean: Double {
    let late = values[(values.count / 2)...]
    return lostAt == nil ? late.reduce(0) { $0 + $1 / Double(late.count) } : .infinity
  }

  /// Whether it never rises above where it starts.
  package var staysBelowStart: Bool { lostAt == nil && values.allSatisfy { $0 <= values[0] } }

  /// The learning rates that are tried where none is given: 1, 2 and 5 times the powers of ten from 10⁻⁵ to 100.
  package static let rates: [Double] = (-5...2).flatMap { exponent in
    [1, 2, 5].compactMap { Double("\($0)e\(exponent)") }
  }

  /// The path with that one of ``rates`` by which it is lowest in its second half, on average (in the end it may be by
  /// chance), of those with which it never rises above where it starts; of all where it always does. The smallest one
  /// of equals.
  package static func tuned(
    _ name: String, given: [String: OptionValue], on function: TestFunction, from start: (x: Double, y: Double),
    steps: Int
  ) throws -> Trace {
    let traces = try rates.map { rate in
      let settings = try OptimizerSettings(name, given: given.merging(["learning-rate": .real(rate)]) { $1 })
      return try Trace(settings, on: function, from: start, steps: steps)
    }
    let staying = traces.filter(\.staysBelowStart)
    return (staying.isEmpty ? traces : staying).min { $0.lateMean < $1.lateMean } ?? traces[0]
  }
}
