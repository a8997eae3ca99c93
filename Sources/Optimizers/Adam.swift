internal import Foundation
internal import Kernels

/// Adam: D. P. Kingma & J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1, with bias
/// correction and ε outside the root:
///
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ           m̂ₜ = mₜ / (1 − β₁ᵗ)
///     vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²          v̂ₜ = vₜ / (1 − β₂ᵗ)
///     θₜ = θₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)
///
/// Defaults are the paper's: η 0.001, β₁ 0.9, β₂ 0.999, ε 1e-8. The corrections are computed in double, once a step.
public struct Adam: UpdateRule {
  /// `adam`.
  public static let name = "adam"
  /// η, β₁, β₂, ε.
  public static let hyperparameters = [
    Hyperparameter("learning-rate", default: 0.001, .positive), Hyperparameter("beta1", default: 0.9, .fraction),
    Hyperparameter("beta2", default: 0.999, .fraction), Hyperparameter("epsilon", default: 1e-8, .positive),
  ]
  /// m and v.
  public static let slots = ["first-moment", "second-moment"]

  private let beta1, beta2, epsilon: Double

  /// A rule with these values.
  public init(_ values: HyperparameterValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// The fused kernel.
  public func update(_ range: UpdateRange, _ step: UpdateStep) {
    let t = Double(step.number)
    let coefficients = AdamCoefficients(
      gradientScale: 1 / Double(step.examples), beta1: beta1, beta2: beta2,
      stepSize: step.learningRate / (1 - pow(beta1, t)), rootScale: 1 / (1 - pow(beta2, t)).squareRoot(),
      epsilon: epsilon)
    adamStep(
      coefficients, parameters: range.parameters, gradientSum: range.gradientSum, firstMoment: range.slots[0],
      secondMoment: range.slots[1], updated: range.updated)
  }

  /// The equations above.
  public func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let t = Double(step.number)
    let (firstMoment, secondMoment) = (range.slots[0], range.slots[1])
    for i in range.parameters.indices {
      let g = Double(range.gradientSum[i]) / Double(step.examples)
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      let correctedM = m / (1 - pow(beta1, t))
      let correctedV = v / (1 - pow(beta2, t))
      range.updated[i] = Float(
        Double(range.parameters[i]) - step.learningRate * correctedM / (correctedV.squareRoot() + epsilon))
    }
  }
}
