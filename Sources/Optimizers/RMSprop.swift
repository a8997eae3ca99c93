internal import Kernels

/// RMSprop: T. Tieleman & G. Hinton, "Lecture 6.5: RMSprop", COURSERA 2012, not centered, without momentum, with ε
/// outside the root (as PyTorch has it):
///
///     vₜ = ρ vₜ₋₁ + (1 − ρ) gₜ²
///     θₜ = θₜ₋₁ − η gₜ / (√vₜ + ε)
///
/// Defaults: η 0.001, ρ 0.9 (the lecture's), ε 1e-8. Other libraries call ρ "alpha" or "decay", with other defaults.
public struct RMSprop: UpdateRule {
  /// `rmsprop`.
  public static let name = "rmsprop"
  /// η, ρ, ε.
  public static let hyperparameters = [
    Hyperparameter("learning-rate", default: 0.001, .positive), Hyperparameter("rho", default: 0.9, .fraction),
    Hyperparameter("epsilon", default: 1e-8, .positive),
  ]
  /// v.
  public static let slots = ["mean-square"]

  private let rho, epsilon: Double

  /// A rule with these values.
  public init(_ values: HyperparameterValues) {
    rho = values["rho"]
    epsilon = values["epsilon"]
  }

  /// The fused kernel.
  public func update(_ range: UpdateRange, _ step: UpdateStep) {
    let coefficients = RMSpropCoefficients(
      gradientScale: 1 / Double(step.examples), rho: rho, learningRate: step.learningRate, epsilon: epsilon)
    rmspropStep(
      coefficients, parameters: range.parameters, gradientSum: range.gradientSum, meanSquare: range.slots[0],
      updated: range.updated)
  }

  /// The equations above.
  public func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let meanSquare = range.slots[0]
    for i in range.parameters.indices {
      let g = Double(range.gradientSum[i]) / Double(step.examples)
      let v = rho * Double(meanSquare[i]) + (1 - rho) * g * g
      meanSquare[i] = Float(v)
      range.updated[i] = Float(Double(range.parameters[i]) - step.learningRate * g / (v.squareRoot() + epsilon))
    }
  }
}
