// How close each update rule is to the memory's speed, at 20 million parameters on one thread.
//
//     swift run -c release rule-benchmark
//
// A rule must read θ, the gradient and its slots, and write θ and its slots; rules that need a norm of each tensor before
// they can move read more. The yardstick is the system's memcpy over vectors of the same size, in bytes read plus bytes
// written a second.
import Dispatch
import Foundation
import Kernels
import Optimizers

let count = 20_000_000
let parameters = FloatBuffer(count: count)
let gradient = FloatBuffer(count: count)
let updated = FloatBuffer(count: count)
Philox(seed: 1, stream: 1).fillUniform(parameters.all, bound: 1)
Philox(seed: 1, stream: 2).fillUniform(gradient.all, bound: 1)

/// The median seconds of `body` over 9 calls, after a warm-up.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  var times: [Double] = []
  for _ in 0..<10 {
    let start = DispatchTime.now().uptimeNanoseconds
    try body()
    times.append(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)
  }
  return times.dropFirst().sorted()[4]
}

/// Bytes a parameter that a rule must move: θ, g and slots in, θ and slots out; a rule that measures tensors first reads
/// what it needs a second time.
func bytes(_ rule: any UpdateRule) -> Int {
  let once = 4 * (3 + 2 * rule.slots.count)
  return switch rule {
  case is LAMB: once + 4 * 3
  case is LARS: once + 4 * 2
  default: once
  }
}

let copySeconds = seconds { updated.all.copy(parameters.values) }
let copyBandwidth = 8 * Double(count) / copySeconds
print("memcpy: \(String(format: "%.1f", copyBandwidth / 1e9)) GB/s (read + written)\n")
print("| rule | bytes a parameter | ms | GB/s | time over memcpy's for the same bytes |")
print("| --- | ---: | ---: | ---: | ---: |")
for rule in builtInRules {
  let settings = try OptimizerSettings(rule.name, given: [:])
  var optimizer = try Optimizer(
    settings, tensors: [Optimizer.Tensor("weight", 0..<count)], total: 100, stepsPerEpoch: 100)
  let slots = optimizer.slots.map { _ in FloatBuffer(count: count) }
  let part = Optimizer.Part(
    start: 0, parameters: parameters.values, gradientSum: gradient.values, slots: slots.map(\.all),
    updated: updated.all)
  let time = withExtendedLifetime(slots) {
    seconds {
      optimizer.begin(examples: 128, optimizer.needsWholeGradient ? [part] : [])
      optimizer.update(part)
    }
  }
  let moved = bytes(try settings.rule())
  let bandwidth = Double(moved) * Double(count) / time
  let cells = [
    rule.name, "\(moved)", String(format: "%.1f", time * 1e3), String(format: "%.1f", bandwidth / 1e9),
    String(format: "%.2f", copyBandwidth / bandwidth),
  ]
  print("| \(cells.joined(separator: " | ")) |")
}
