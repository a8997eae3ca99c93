import Kernels
import Optimizers

/// How close each update rule is to memcpy, at as many parameters as `vectors` have.
///
/// A rule must read θ, the gradient and its slots, and write θ and its slots; rules that need a norm of each tensor before
/// they can move read more.
func timeUpdateRules(_ vectors: Vectors, copyBandwidth: Double) throws {
  print("| rule | bytes a parameter | ms | GB/s | time over memcpy's for the same bytes |")
  print("| --- | ---: | ---: | ---: | ---: |")
  let count = vectors.count
  for rule in UpdateRules.builtIn {
    let settings = try OptimizerSettings(rule.name, given: [:])
    var optimizer = try Optimizer(
      settings, tensors: [Optimizer.Tensor("weight", 0..<count)], total: 100, stepsPerEpoch: 100)
    let slots = optimizer.slots.map { _ in FloatBuffer(count: count) }
    let part = Optimizer.Part(
      start: 0, parameters: vectors.one.values, gradientSum: vectors.two.values, slots: slots.map(\.all),
      updated: vectors.three.all)
    let time = withExtendedLifetime(slots) {
      medianSeconds {
        optimizer.begin(weight: 128, optimizer.needsWholeGradient ? [part] : [])
        optimizer.update(part)
      }
    }
    let moved = bytes(try settings.rule())
    let bandwidth = Double(moved) * Double(count) / time
    row(rule.name, "\(moved)", places(time * 1e3, 1), places(bandwidth / 1e9, 1), places(copyBandwidth / bandwidth, 2))
  }
}

/// Bytes a parameter that a rule must move: θ, g and slots in, θ and slots out; a rule that measures tensors first reads
/// what it needs a second time.
private func bytes(_ rule: any UpdateRule) -> Int {
  let once = 4 * (3 + 2 * rule.slots.count)
  return switch rule {
  case is LAMB: once + 4 * 3
  case is LARS: once + 4 * 2
  default: once
  }
}
