package import Kernels
package import Schema

/// Stochastic gradient descent: H. Robbins & S. Monro, "A Stochastic Approximation Method", Ann. Math. Stat. 22, 1951.
///
///     θₜ = θₜ₋₁ − η gₜ
///
/// With `--schedule hypergradient` (A. G. Baydin et al., "Online Learning Rate Adaptation with Hypergradient Descent",
/// ICLR 2018, Algorithm 4) η follows its own gradient, ∂L(θₜ₋₁)/∂η = −gₜ · gₜ₋₁:
///
///     ηₜ = max(0, ηₜ₋₁ + κ gₜ · gₜ₋₁)
package struct SGD: UpdateRule {
  package static let name = "sgd"
  package static let equations = "θ ← θ − η g"
  package static let paper = "Robbins & Monro 1951"
  package static let options: [OptionDeclaration] = [.learningRate(0.01)]
  package static let hasHypergradient = true

  private let hypergradientRate: Double?

  package init(_ values: OptionValues) {
    hypergradientRate = values.ifGiven("hypergradient-rate")
  }

  package var slots: [String] { hypergradientRate == nil ? [] : ["last-gradient"] }

  /// gₜ · gₜ₋₁.
  package var sums: RuleSums { hypergradientRate == nil ? .none : .overall(1) }

  /// Also replaces gₜ₋₁ by gₜ in the slot.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addGradientProducts(range.vectors, range.slots[0].readOnly)
    for i in range.vectors.parameters.indices { range.slots[0][i] = Float(range.vectors.gradient(i)) }
  }

  package func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    state.followHypergradient(sums[0], rate: hypergradientRate, &step)
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.gradientDescent(rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    range.each { i, g in range.vectors.move(i, by: step.learningRate * g) }
  }
}
