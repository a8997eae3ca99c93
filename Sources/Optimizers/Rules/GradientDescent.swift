internal import Kernels
package import Schema

/// Gradient descent: A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847. The
/// whole training part is one step:
///
///     θₜ = θₜ₋₁ − η gₜ
///
/// The job sees to it that a step has all examples; otherwise this is ``SGD``.
package struct GradientDescent: UpdateRule {
  /// `gradient-descent`.
  package static let name = "gradient-descent"
  /// In short.
  package static let equations = "θ ← θ − η g, g over all examples"
  /// Where from.
  package static let paper = "Cauchy 1847"
  /// η.
  package static let options: [OptionDeclaration] = [.learningRate(0.1)]

  /// The job sees to it.
  package static let stepIsWhole = true

  /// A rule with these values.
  package init(_: OptionValues) {}

  /// None.
  package let slots: [String] = []

  /// The fused kernel.
  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.gradientDescent(rate: step.learningRate)
  }

  /// The equation above.
  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    range.each { i, g in range.vectors.move(i, by: step.learningRate * g) }
  }
}
