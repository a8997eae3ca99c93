internal import Kernels
package import Schema

/// AdaGrad: J. Duchi, E. Hazan & Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
/// Optimization", JMLR 12, 2011, with the diagonal of the outer products and ε outside the root:
///
///     sₜ = sₜ₋₁ + gₜ²
///     θₜ = θₜ₋₁ − η gₜ / (√sₜ + ε)
///
/// Defaults: η 0.01, ε 1e-10, s₀ 0.
package struct AdaGrad: UpdateRule {
  package static let name = "adagrad"
  package static let equations = "s ← s + g²; θ ← θ − η g/(√s + ε)"
  package static let paper = "Duchi, Hazan & Singer 2011"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.01), .epsilon(1e-10),
  ]
  package let slots = ["square-sum"]

  package static let writesSlotsBeside = true

  private let epsilon: Double

  package init(_ values: OptionValues) {
    epsilon = values["epsilon"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.adagrad(range.slots[0], epsilon: epsilon, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let squareSum = range.slots[0]
    range.each { i, g in
      let s = Double(squareSum[i]) + g * g
      squareSum[i] = Float(s)
      range.vectors.move(i, by: step.learningRate * g / (s.squareRoot() + epsilon))
    }
  }
}
