internal import Kernels

/// AdamW: I. Loshchilov & F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2: ``Adam`` with the
/// decay of the weights beside the gradient's moments, scaled by the learning rate (as PyTorch has it):
///
///     θₜ = (1 − η λ) θₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)
///
/// Defaults: Adam's, and λ 0.01.
public struct AdamW: UpdateRule {
  /// `adamw`.
  public static let name = "adamw"
  /// In short.
  public static let equations = "m, v as Adam's; θ ← (1 − ηλ)θ − η m̂/(√v̂ + ε)"
  /// Where from.
  public static let paper = "Loshchilov & Hutter 2019"
  /// η, β₁, β₂, ε.
  public static let hyperparameters = [
    Hyperparameter("learning-rate", default: 0.001, .positive), Hyperparameter("beta1", default: 0.9, .fraction),
    Hyperparameter("beta2", default: 0.999, .fraction), Hyperparameter("epsilon", default: 1e-8, .positive),
  ]
  /// λ.
  public static let weightDecay = WeightDecay.decoupled(0.01)
  /// m and v.
  public let slots = ["first-moment", "second-moment"]

  private let beta1, beta2, epsilon: Double

  /// A rule with these values.
  public init(_ values: HyperparameterValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// Adam's fused kernel; the decay is in what it takes off θ.
  public func update(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    range.vectors.adam(
      range.slots[0], range.slots[1], largest: nil, MomentDecays(beta1, beta2),
      rate: step.learningRate * correction.moment, rootScale: correction.root, epsilon: epsilon)
  }

  /// The equations above.
  public func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, secondMoment) = (range.slots[0], range.slots[1])
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    range.each { i, g in
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      range.vectors.move(
        i, by: step.learningRate * (correction.moment * m) / (correction.root * v.squareRoot() + epsilon))
    }
  }
}
