internal import Foundation
internal import Kernels
package import Schema

/// AdaMax: D. P. Kingma & J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 2:
///
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ
///     uₜ = max(β₂ uₜ₋₁, |gₜ|)
///     θₜ = θₜ₋₁ − η / (1 − β₁ᵗ) · mₜ / (uₜ + ε)
///
/// Defaults: η 0.002, β₁ 0.9, β₂ 0.999, ε 1e-8 (as in PyTorch; the paper has none).
package struct AdaMax: UpdateRule {
  package static let name = "adamax"
  package static let equations = "m ← β₁m + (1−β₁)g; u ← max(β₂u, |g|); θ ← θ − η m̂/(u + ε)"
  package static let paper = "Kingma & Ba 2015"
  package static let options: [OptionDeclaration] = [.learningRate(0.002), .beta1(), .beta2(), .epsilon()]
  package let slots = ["first-moment", "largest"]

  private let beta1, beta2, epsilon: Double

  package init(_ values: OptionValues) {
    (beta1, beta2, epsilon) = (values["beta1"], values["beta2"], values["epsilon"])
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (moment, largest) = (range.slots[0], range.slots[1])
    let rate = step.learningRate / (1 - pow(beta1, Double(step.number)))
    range.each { i, g in
      let m = beta1 * Double(moment[i]) + (1 - beta1) * g
      let u = max(beta2 * Double(largest[i]), abs(g))
      (moment[i], largest[i]) = (Float(m), Float(u))
      range.vectors.move(i, by: rate * m / (u + epsilon))
    }
  }
}
