internal import Kernels

/// The factors that correct m and √v for their start at zero, after `number` steps: 1 / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ).
struct BiasCorrection {
  let moment, root: Double

  init(_ beta1: Double, _ beta2: Double, number: Int) {
    moment = 1 / (1 - Elementary.power(beta1, Double(number)))
    root = 1 / (1 - Elementary.power(beta2, Double(number))).squareRoot()
  }
}
