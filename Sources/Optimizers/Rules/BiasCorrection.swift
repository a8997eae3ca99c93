internal import Foundation

/// What Adam's running means, which start at zero, are to be multiplied by after `number` steps: mₜ / (1 − β₁ᵗ) and
/// √(vₜ / (1 − β₂ᵗ)). Computed in double, once a step.
struct BiasCorrection {
  let moment, root: Double

  init(_ beta1: Double, _ beta2: Double, number: Int) {
    moment = 1 / (1 - pow(beta1, Double(number)))
    root = 1 / (1 - pow(beta2, Double(number))).squareRoot()
  }
}
