internal import Kernels
package import Schema

/// Nesterov's accelerated gradient: Y. Nesterov, "A method of solving a convex programming problem with convergence
/// rate O(1/k²)", 1983; with a velocity as in I. Sutskever et al., ICML 2013. θ are the look-ahead parameters, at which
/// the gradient is computed (as in PyTorch):
///
///     uₜ = μ uₜ₋₁ + gₜ
///     θₜ = θₜ₋₁ − η (gₜ + μ uₜ)
package struct Nesterov: UpdateRule {
  package static let name = "nesterov"
  package static let equations = "u ← μu + g; θ ← θ − η (g + μu)"
  package static let paper = "Nesterov 1983; Sutskever et al. 2013"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.01), .momentum(0.9),
  ]
  package let slots = ["velocity"]

  package static let writesSlotsBeside = true

  private let momentum: Double

  package init(_ values: OptionValues) {
    momentum = values["momentum"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.nesterov(range.slots[0], momentum: momentum, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let velocity = range.slots[0]
    range.each { i, g in
      let u = momentum * Double(velocity[i]) + g
      velocity[i] = Float(u)
      range.vectors.move(i, by: step.learningRate * (g + momentum * u))
    }
  }
}
