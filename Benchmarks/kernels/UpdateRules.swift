import Kernels
import Optimizers
import Schema

/// How close each update rule is to memcpy, at as many parameters as `vectors` have, and what outer steps add.
///
/// A rule must read θ, the gradient and its slots, and write θ and its slots; rules that need a norm of each tensor before
/// they can move read more.
func timeUpdateRules(_ vectors: Vectors, copyBandwidth: Double) throws {
  print("| rule | bytes a parameter | ms | GB/s | time over memcpy's for the same bytes |")
  print("| --- | ---: | ---: | ---: | ---: |")
  func time(_ name: String, _ settings: OptimizerSettings, moreBytes: Int = 0, isBeside: Bool = false) throws {
    let count = vectors.count
    var optimizer = try Optimizer(
      settings, tensors: [Optimizer.Tensor("weight", 0..<count)], total: 1 << 40, stepsPerEpoch: 100)
    let slots = optimizer.slots.map { _ in FloatBuffer(count: isBeside ? 2 * count : count) }
    let tensorSlots = FloatBuffer(count: optimizer.stateCount - slots.count * count)
    let part = Optimizer.Part(
      start: 0, parameters: vectors.one.values, gradientSum: vectors.two.values,
      slots: slots.map { $0.all[0..<count] }, before: isBeside ? count : 0, updated: vectors.three.all)
    let time = withExtendedLifetime((slots, tensorSlots)) {
      medianSeconds {
        optimizer.begin(
          weight: 128, optimizer.needsWholeGradient ? [part] : [], tensorState: (tensorSlots.all, before: 0))
        optimizer.update(part)
      }
    }
    let moved = bytes(try settings.rule()) + moreBytes
    let bandwidth = Double(moved) * Double(count) / time
    row(name, "\(moved)", places(time * 1e3, 1), places(bandwidth / 1e9, 1), places(copyBandwidth / bandwidth, 2))
  }
  for rule in UpdateRules.builtIn { try time(rule.name, OptimizerSettings(rule.name, given: [:])) }
  // As the coordinator updates: slots are written beside those of the step before. An outer step reads and writes the
  // updated θ once more, and every other update takes the outer slots over.
  try time("adam, beside", OptimizerSettings("adam", given: [:]), isBeside: true)
  try time(
    "adam, beside, with an outer step", OptimizerSettings("adam", given: ["outer-every": 1]), moreBytes: 8,
    isBeside: true)
  try time(
    "adam, beside, between outer steps", OptimizerSettings("adam", given: ["outer-every": .whole(1 << 40)]),
    isBeside: true)
  try timeMatrices(vectors)
}

/// What a step takes of the rules whose time goes into products of whole matrices. Of soap's updates, one in ten refreshes the
/// bases.
private func timeMatrices(_ vectors: Vectors) throws {
  print("\n| a matrix of | muon, ms a step | GFLOP/s | soap, ms a step | and a refresh more, ms |")
  print("| --- | ---: | ---: | ---: | ---: |")
  for (rows, columns) in [(64, 64), (784, 64), (784, 256), (1024, 1024), (256, 4096)] {
    let range = 0..<rows * columns
    func time(_ settings: OptimizerSettings) throws -> Double {
      let tensors = [Optimizer.Tensor("weight", range, shape: [rows, columns])]
      var optimizer = try Optimizer(settings, tensors: tensors, total: 1 << 40, stepsPerEpoch: 100)
      let slots = optimizer.slots.map { _ in FloatBuffer(count: range.count) }
      let tensorSlots = FloatBuffer(count: optimizer.stateCount - slots.count * range.count)
      let part = Optimizer.Part(
        start: 0, parameters: vectors.one.values[range], gradientSum: vectors.two.values[range],
        slots: slots.map(\.all), updated: vectors.three.all[range])
      return withExtendedLifetime((slots, tensorSlots)) {
        func step() {
          optimizer.begin(weight: 128, [part], tensorState: (tensorSlots.all, before: 0))
          optimizer.update(part)
        }
        step()
        return medianSeconds { step() }
      }
    }
    let muon = try time(OptimizerSettings("muon", given: [:]))
    let soap = try time(OptimizerSettings("soap", given: ["basis-every": 1_000_000]))
    let refreshed = try time(OptimizerSettings("soap", given: ["basis-every": 1]))
    let (short, long) = (Double(min(rows, columns)), Double(max(rows, columns)))
    let operations = 5 * 2 * short * short * (2 * long + short)
    row(
      "\(rows) × \(columns)", places(muon * 1e3, 2), places(operations / muon / 1e9, 0), places(soap * 1e3, 2),
      places((refreshed - soap) * 1e3, 1))
  }
}

/// Bytes a parameter that a rule must move: θ, g and slots in, θ and slots out; a rule that measures tensors first reads
/// what it needs a second time.
private func bytes(_ rule: any UpdateRule) -> Int {
  let once = 4 * (3 + 2 * rule.slots.count)
  return switch rule {
  case is LAMB: once + 4 * 3
  case is LARS, is StableAdamW: once + 4 * 2
  // And what a vector has of slots with sizes of their own: means of squares, and moments.
  case is Adafactor: once + 4 * 4
  case is SOAP: once + 4 * 6
  default: once
  }
}
