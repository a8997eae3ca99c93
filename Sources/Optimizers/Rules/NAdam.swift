internal import Kernels
package import Schema

/// NAdam: T. Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, with a constant μ = β₁ (PyTorch
/// and Keras let it grow over the steps):
///
///     θₜ = θₜ₋₁ − η (β₁ mₜ / (1 − β₁ᵗ⁺¹) + (1 − β₁) gₜ / (1 − β₁ᵗ)) / (√v̂ₜ + ε)
///
/// with m, v and v̂ as in ``Adam``. Defaults: η 0.002, β₁ 0.9, β₂ 0.999, ε 1e-8.
package struct NAdam: UpdateRule {
  package static let name = "nadam"
  package static let equations = "m, v as Adam's; θ ← θ − η (β₁m̂' + (1−β₁)ĝ)/(√v̂ + ε)"
  package static let paper = "Dozat 2016"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.002), .beta1(),
    .beta2(), .epsilon(),
  ]
  package let slots = ["first-moment", "second-moment"]

  package static let writesSlotsBeside = true

  private let beta1, beta2, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// The factors of m and g.
  private func shares(_ step: UpdateStep) -> (moment: Double, gradient: Double) {
    let t = Double(step.number)
    return (beta1 / (1 - Elementary.power(beta1, t + 1)), (1 - beta1) / (1 - Elementary.power(beta1, t)))
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let shares = shares(step)
    range.vectors.nadam(
      range.slots[0], range.slots[1], MomentDecays(beta1, beta2), momentRate: step.learningRate * shares.moment,
      gradientRate: step.learningRate * shares.gradient,
      rootScale: BiasCorrection(beta1, beta2, number: step.number).root, epsilon: epsilon)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, secondMoment) = (range.slots[0], range.slots[1])
    let shares = shares(step)
    let rootScale = BiasCorrection(beta1, beta2, number: step.number).root
    range.each { i, g in
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      range.vectors.move(
        i,
        by: step.learningRate * (shares.moment * m + shares.gradient * g) / (rootScale * v.squareRoot() + epsilon))
    }
  }
}
