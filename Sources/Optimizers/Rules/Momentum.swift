internal import Kernels
package import Schema

/// Momentum, the heavy ball: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
/// Comp. Math. 4, 1964; written with a velocity of gradients as in I. Sutskever et al., ICML 2013:
///
///     uₜ = μ uₜ₋₁ + (1 − τ) gₜ
///     θₜ = θₜ₋₁ − η uₜ
///
/// τ is PyTorch's dampening, except that it also applies to the first step: u₀ is 0.
package struct Momentum: UpdateRule {
  package static let name = "momentum"
  package static let equations = "u ← μu + (1−τ)g; θ ← θ − η u"
  package static let paper = "Polyak 1964"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.01), .momentum(0.9),
    .real("dampening", default: 0, .fraction, "The share of the gradient that the velocity leaves out."),
  ]
  package let slots = ["velocity"]

  package static let writesSlotsBeside = true

  private let momentum, dampening: Double

  package init(_ values: OptionValues) {
    momentum = values["momentum"]
    dampening = values["dampening"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.momentum(
      range.slots[0], momentum: momentum, gradientShare: 1 - dampening, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let velocity = range.slots[0]
    range.each { i, g in
      let u = momentum * Double(velocity[i]) + (1 - dampening) * g
      velocity[i] = Float(u)
      range.vectors.move(i, by: step.learningRate * u)
    }
  }
}
