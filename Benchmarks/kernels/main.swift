// How close the kernels are to what one core of this machine can do.
//
//     swift run -c release kernel-benchmark [steps | operations | gradients | reading]
//
// With `steps`, only where the time of a training step goes; with `operations`, also that of each operation of it; with
// `gradients`, when the values of a gradient are final; with `reading`, how fast tables are read.
// Arithmetic is held against the fastest product of square matrices; what only moves memory against the system's memcpy of
// 20 million floats, in bytes read plus bytes written. Each figure is a median.
import Foundation
import Kernels
import Optimizers

/// Three vectors of 20 million values, more than any cache holds.
struct Vectors {
  let count = 20_000_000
  let one, two, three: FloatBuffer

  init() {
    (one, two, three) = (FloatBuffer(count: count), FloatBuffer(count: count), FloatBuffer(count: count))
    Philox(seed: 1, stream: 1).fillUniform(one.all, bound: 1)
    Philox(seed: 1, stream: 2).fillUniform(two.all, bound: 1)
  }
}

if let argument = CommandLine.arguments.dropFirst().first {
  guard ["steps", "operations", "gradients", "reading"].contains(argument) else {
    print("usage: kernel-benchmark [steps | operations | gradients | reading]")
    exit(argument == "--help" ? 0 : 64)
  }
  if argument == "reading" {
    try timeReading()
    exit(0)
  }
  if argument == "gradients" {
    try timeGradients()
    exit(0)
  }
  try timeSteps(peak: peakOperations(), details: argument == "operations")
  exit(0)
}

let vectors = Vectors()
let copyBandwidth = 8 * Double(vectors.count) / medianSeconds { vectors.three.all.copy(vectors.one.values) }
print("\(VectorWidth.current.description)")
for width in VectorWidth.available {
  print(
    "multiply-adds in registers with \(width.rawValue) floats a vector: \(places(peakOperations(width) / 1e9, 0)) GFLOP/s"
  )
}
let peak = peakOperations()
print("memcpy: \(places(copyBandwidth / 1e9, 1)) GB/s\n")

print("| layer (examples, in → out) | forward, GFLOP/s | weight gradient | input gradient |")
print("| --- | ---: | ---: | ---: |")
for (examples, inputs, outputs) in [
  (32, 784, 64), (32, 64, 10), (128, 784, 256), (128, 256, 128), (128, 128, 10), (128, 784, 1024), (128, 1024, 1024),
  (128, 1024, 10), (128, 784, 4096), (128, 4096, 4096), (128, 4096, 10), (16, 1024, 1024), (2, 1024, 1024),
] {
  let speed = LayerSpeed(examples: examples, inputs: inputs, outputs: outputs)
  func cell(_ rate: Double) -> String { "\(places(rate / 1e9, 0)) (\(percent(rate / peak)))" }
  row(
    "\(examples), \(inputs) → \(outputs)", cell(speed.forward), cell(speed.weightGradient), cell(speed.inputGradient))
}

print("\n| over 20 million values | bytes a value | GB/s | of memcpy |\n| --- | ---: | ---: | ---: |")
func stream(_ name: String, bytes: Int, _ body: () -> Void) {
  let bandwidth = Double(bytes * vectors.count) / medianSeconds(body)
  row(name, "\(bytes)", places(bandwidth / 1e9, 1), percent(bandwidth / copyBandwidth))
}
stream("sum of two gradients", bytes: 12) { accumulate(vectors.one.values, into: vectors.three.all) }
vectors.three.all.copy(vectors.one.values)
stream("rounding to bf16, in place", bytes: 8) { roundToBF16(vectors.three.values, into: vectors.three.all) }
stream("rounded sum of two gradients", bytes: 12) {
  accumulate(vectors.one.values, into: vectors.three.all, roundedCount: vectors.count)
}
let halves = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * vectors.count, alignment: 64)
stream("packing bf16", bytes: 6) { packBF16(vectors.one.values, into: halves) }
stream("unpacking bf16", bytes: 6) { unpackBF16(UnsafeRawBufferPointer(halves), into: vectors.three.all) }
vectors.three.all.copy(vectors.one.values)
stream("look for what is not finite", bytes: 4) { precondition(vectors.one.values.areFinite) }
for function in Elementary.Map.allCases {
  stream("\(function)", bytes: 8) { Elementary.map(function, vectors.one.values, into: vectors.three.all) }
}

print("")
try timeUpdateRules(vectors, copyBandwidth: copyBandwidth)
