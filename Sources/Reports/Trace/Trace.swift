internal import Foundation
internal import Kernels
package import Optimizers
package import Schema

/// An update rule's path on a test function. The rule works as in training, on a float32 vector of two parameters, with
/// the gradient sum of one example. Each step is an epoch and is evaluated.
package struct Trace: Sendable {
  package let settings: OptimizerSettings
  /// The positions before the first step and after each step, and the function's values there.
  private(set) var points: [Point] = [], values: [Double] = []
  /// The step after which the path diverged: a value is not finite, or the minimum is farther away than 10⁶.
  private(set) var lostAt: Int?
  /// The function's value at the end, and the distance from the minimum; both infinite if the path diverged.
  private(set) var finalValue = Double.infinity, distance = Double.infinity

  /// Takes `steps` steps from `start`, fewer if the path diverges.
  package init(_ settings: OptimizerSettings, on function: TestFunction, from start: (x: Double, y: Double), steps: Int)
    throws
  {
    self.settings = settings
    var optimizer = try Optimizer(settings, tensors: [.init("point", 0..<2)], total: steps, stepsPerEpoch: 1)
    var (current, next) = (FloatBuffer([Float(start.x), Float(start.y)]), FloatBuffer(count: 2))
    let (gradient, slots) = (FloatBuffer(count: 2), optimizer.slots.map { _ in FloatBuffer(count: 2) })
    let tensorSlots = FloatBuffer(count: optimizer.stateCount - 2 * slots.count)
    var (averages, nextAverages) = (FloatBuffer(current.array), FloatBuffer(count: 2))
    for step in 0...steps {
      // What an evaluation would read.
      let shown = optimizer.evaluated == nil ? current : averages
      let point = Point(Double(shown.values[0]), Double(shown.values[1]))
      finalValue = function.value(point.x, point.y)
      distance = hypot(point.x - function.minimum.x, point.y - function.minimum.y)
      if distance.isFinite { points.append(point) }
      guard finalValue.isFinite, distance < 1e6 else {
        (lostAt, finalValue, distance) = (step, .infinity, .infinity)
        break
      }
      values.append(finalValue)
      if step > 0 { optimizer.evaluated(loss: finalValue) }
      if step == steps { break }
      let slope = function.gradient(Double(current.values[0]), Double(current.values[1]))
      (gradient.all[0], gradient.all[1]) = (Float(slope.x), Float(slope.y))
      let part = Optimizer.Part(
        start: 0, parameters: current.values, gradientSum: gradient.values, slots: slots.map(\.all), updated: next.all)
      optimizer.begin(weight: 1, [part], tensorState: (tensorSlots.all, 0))
      optimizer.update(part)
      if optimizer.evaluated != nil { optimizer.average(part, averages.values, into: nextAverages.all) }
      swap(&current, &next)
      swap(&averages, &nextAverages)
    }
    withExtendedLifetime((current, next, gradient, slots, tensorSlots, averages, nextAverages)) {}
  }

  /// The function's mean over the second half of the path; infinite if the path diverged.
  package var lateMean: Double {
    let late = values[(values.count / 2)...]
    return lostAt == nil ? late.reduce(0) { $0 + $1 / Double(late.count) } : .infinity
  }

  /// Whether the function never exceeds its value at the start.
  package var staysBelowStart: Bool { lostAt == nil && values.allSatisfy { $0 <= values[0] } }

  /// The learning rates that are tried if none is given: 1, 2 and 5 times the powers of ten from 10⁻⁵ to 100.
  package static let rates: [Double] = (-5...2).flatMap { exponent in
    [1, 2, 5].compactMap { Double("\($0)e\(exponent)") }
  }

  /// The path with the best of ``rates``: the one with the smallest ``lateMean``, because the last value may be small
  /// by chance. Paths that do not stay below the start count only if none does. Of equal rates the smallest wins.
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
