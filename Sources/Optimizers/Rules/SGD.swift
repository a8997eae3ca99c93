package import Kernels
package import Schema

/// Stochastic gradient descent: H. Robbins & S. Monro, "A Stochastic Approximation Method", Ann. Math. Statist. 22, 1951.
///
///     θₜ = θₜ₋₁ − η gₜ
///
/// With `--schedule hypergradient` (A. G. Baydin et al., "Online Learning Rate Adaptation with Hypergradient Descent",
/// ICLR 2018, Algorithm 4) η follows its own gradient, ∂L(θₜ₋₁)/∂η = −gₜ · gₜ₋₁:
///
///     ηₜ = max(0, ηₜ₋₁ + κ gₜ · gₜ₋₁)
package struct SGD: UpdateRule {
  /// `sgd`.
  package static let name = "sgd"
  /// In short.
  package static let equations = "θ ← θ − η g"
  /// Where from.
  package static let paper = "Robbins & Monro 1951"
  /// η.
  package static let options: [OptionDeclaration] = [.learningRate(0.01)]
  /// Baydin et al.'s SGD-HD.
  package static let hasHypergradient = true

  private let hypergradientRate: Double?

  /// A rule with these values.
  package init(_ values: OptionValues) {
    hypergradientRate = values.ifGiven("hypergradient-rate")
  }

  /// None, or gₜ₋₁ for the hypergradient.
  package var slots: [String] { hypergradientRate == nil ? [] : ["last-gradient"] }

  /// gₜ · gₜ₋₁.
  package var sums: RuleSums { hypergradientRate == nil ? .none : .overall(1) }

  /// Adds to gₜ · gₜ₋₁, and keeps gₜ in its place.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addGradientProducts(range.vectors, range.slots[0].readOnly)
    for i in range.vectors.parameters.indices { range.slots[0][i] = Float(range.vectors.gradient(i)) }
  }

  /// Moves η.
  package func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    state.followHypergradient(sums[0], rate: hypergradientRate, &step)
  }

  /// The fused kernel.
  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.gradientDescent(rate: step.learningRate)
  }

  /// The equation above.
  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    range.each { i, g in range.vectors.move(i, by: step.learningRate * g) }
  }
}
