internal import Cluster
internal import Foundation
internal import Kernels
internal import Reports

/// Which kernels this machine uses, and how close their matrix products come to what one of its cores can do.
struct MachineReport {
  let rows: [[String]]

  /// Measures for about three seconds.
  init() {
    let peak = peakOperations()
    func row(_ name: String, _ rate: Double) -> [String] {
      [name, String(format: "%.0f", rate / 1e9), String(format: "%.0f %%", 100 * rate / peak)]
    }
    rows =
      [
        ["processor", Machine.this.processor, ""], ["kernels", VectorWidth.current.description, ""],
        ["one core", "GFLOP/s", "of the peak"], row("multiply-adds in registers", peak),
      ]
      + [(128, 784, 256), (128, 1024, 1024), (16, 1024, 1024)].flatMap { examples, inputs, outputs in
        let speed = LayerSpeed(examples: examples, inputs: inputs, outputs: outputs)
        let name = "\(examples) × \(inputs) → \(outputs)"
        return [
          row("\(name), forward", speed.forward), row("\(name), weight gradient", speed.weightGradient),
          row("\(name), input gradient", speed.inputGradient),
        ]
      }
  }
}
