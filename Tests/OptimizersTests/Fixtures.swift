import Foundation
import Kernels
import Schema

@testable import Optimizers

/// The float64 script's numbers; see Fixtures/make-fixtures.py.
struct RuleFixtures: Decodable, Sendable {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let rule: String
    let options: [String: ScriptValue]
    let gradients: String
    let totalSteps: Int
    let parameters: [String: [Double]]
    /// λ of an auto blend, or the learning rate that follows its hypergradient.
    let scalars: [String: Double]?
    /// What is evaluated, where that is not the parameters.
    let averages: [String: [Double]]?
    var description: String { "\(rule) \(options.map { "\($0)=\($1.text)" }.sorted().joined(separator: " "))" }

    func settings() throws -> OptimizerSettings { try OptimizerSettings(rule, given: given(options)) }
  }

  struct Tensor: Decodable, Sendable {
    let name: String
    let shape, range: [Int]
  }

  let examples: Int
  let start: [Float]
  let tensors: [Tensor]
  let gradientSums: [String: [[Float]]]
  let cases: [Case]

  static let shared: RuleFixtures = load("rules")

  var optimizerTensors: [Optimizer.Tensor] {
    tensors.map { Optimizer.Tensor($0.name, $0.range[0]..<$0.range[1], shape: $0.shape) }
  }
}

/// The learning rates of the float64 script.
struct ScheduleFixtures: Decodable, Sendable {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let schedule: String
    let options: [String: ScriptValue]
    let baseRate: Double
    let totalSteps: Int
    let stepsPerEpoch: Int
    /// After which update which test loss was found.
    let evaluations: [[Double]]
    let rates: [String: Double]
    var description: String { "\(schedule) \(options.map { "\($0)=\($1.text)" }.sorted().joined(separator: " "))" }
  }

  let cases: [Case]

  static let shared: ScheduleFixtures = load("schedules")
}

/// An option as the script has it: a number or a word.
struct ScriptValue: Decodable, Sendable {
  let text: String

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    text =
      try (try? container.decode(Double.self)).map { OptionValue.real($0).description } ?? container.decode(String.self)
  }
}

/// Options as ``OptimizerSettings`` takes them.
func given(_ options: [String: ScriptValue]) -> [String: OptionValue] {
  var values: [String: OptionValue] = [:]
  for (name, option) in options {
    let declared = OptimizerSettings.options.first { $0.name == name }
    guard let value = try? declared?.value(of: option.text) else { preconditionFailure("\(name)=\(option.text)") }
    values[name] = value
  }
  return values
}

private func load<Fixtures: Decodable>(_ name: String) -> Fixtures {
  let url = Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Fixtures")!
  // swift-format-ignore: NeverUseForceTry
  return try! JSONDecoder().decode(Fixtures.self, from: Data(contentsOf: url))
}

/// A vector under an optimizer.
struct Trajectory {
  var optimizer: Optimizer
  var parameters: FloatBuffer
  var slots: [FloatBuffer]
  /// The slots with sizes of their own, one after the other.
  var tensorSlots: FloatBuffer
  /// What is evaluated; as at the start if that is the parameters.
  var averages: FloatBuffer

  init(_ settings: OptimizerSettings, start: [Float], tensors: [Optimizer.Tensor], total: Int) throws {
    optimizer = try Optimizer(settings, tensors: tensors, total: total, stepsPerEpoch: 20)
    parameters = FloatBuffer(start)
    slots = optimizer.slots.map { _ in FloatBuffer(count: start.count) }
    tensorSlots = FloatBuffer(count: optimizer.stateCount - slots.count * start.count)
    averages = FloatBuffer(start)
  }

  /// The same with vectors of its own.
  var copy: Trajectory {
    var copy = self
    copy.parameters = FloatBuffer(parameters.array)
    copy.slots = slots.map { FloatBuffer($0.values.array) }
    copy.tensorSlots = FloatBuffer(tensorSlots.array)
    copy.averages = FloatBuffer(averages.array)
    return copy
  }

  /// Applies one step: `ranges` in order are measured where the rule needs that, and updated in reverse, or on several
  /// threads at once where so asked. Where slots are written beside, nothing that is written has a value before.
  mutating func step(
    _ gradientSum: [Float], examples: Int, ranges: [Range<Int>], isReference: Bool = false, isParallel: Bool = false,
    isBeside: Bool = false, isLast: Bool? = nil
  ) {
    let updated = FloatBuffer(count: parameters.count)
    let gradient = FloatBuffer(gradientSum)
    let count = parameters.count
    let nothing = Array(repeating: Float.nan, count: count)
    let both = isBeside ? slots.map { FloatBuffer($0.array + nothing) } : slots
    let bothOfTensors =
      isBeside ? FloatBuffer(tensorSlots.array + tensorSlots.array.map { _ in .nan }) : tensorSlots
    if isBeside {
      updated.all.fill(.nan)
      tensorSlots = bothOfTensors.part(tensorSlots.count..<2 * tensorSlots.count)
      slots = both.map { $0.part(count..<2 * count) }
    }
    let parts = ranges.map { range in
      Optimizer.Part(
        start: range.lowerBound, parameters: parameters.values[range], gradientSum: gradient.values[range],
        slots: slots.map { $0.all[range] }, before: isBeside ? -count : 0, updated: updated.all[range])
    }
    optimizer.begin(
      weight: Double(examples), isLast: isLast, optimizer.needsWholeGradient ? parts : [],
      tensorState: (tensorSlots.all, isBeside ? -tensorSlots.count : 0))
    if isParallel {
      DispatchQueue.concurrentPerform(iterations: parts.count) { [optimizer] in optimizer.update(parts[$0]) }
    } else {
      for part in parts.reversed() { isReference ? optimizer.reference(part) : optimizer.update(part) }
    }
    parameters = updated
    guard optimizer.evaluated != nil else { return }
    let averaged = FloatBuffer(count: count)
    for (part, range) in zip(parts, ranges) {
      optimizer.average(part, averages.values[range], into: averaged.all[range])
    }
    averages = averaged
  }

  /// Parameters, slots and averages.
  var bits: [[UInt32]] { ([parameters] + slots + [tensorSlots, averages]).map { $0.values.array.map(\.bitPattern) } }
}
