internal import Kernels
package import Schema

/// Gradient descent: A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847. Each
/// step uses all training examples:
///
///     θₜ = θₜ₋₁ − η gₜ
///
/// The job ensures that a step has all examples. With fewer, this rule is ``SGD``.
package struct GradientDescent: UpdateRule {
  package static let name = "gradient-descent"
  package static let equations = "θ ← θ − η g, g over all examples"
  package static let paper = "Cauchy 1847"
  package static let options: [OptionDeclaration] = [.learningRate(0.1)]

  package static let stepIsWhole = true

  package init(_: OptionValues) {}

  package let slots: [String] = []

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.gradientDescent(rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    range.each { i, g in range.vectors.move(i, by: step.learningRate * g) }
  }
}
