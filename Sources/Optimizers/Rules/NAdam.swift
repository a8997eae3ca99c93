internal import Kernels
package import Schema

/// NAdam: T. Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, Algorithm 2, with a constant μₜ = β₁:
///
///     θₜ = θₜ₋₁ − η (μₜ₊₁ mₜ / (1 − Πₜ₊₁) + (1 − μₜ) gₜ / (1 − Πₜ)) / (√v̂ₜ + ε)          Πₜ = μ₁ μ₂ … μₜ
///
/// with m, v and v̂ as in ``Adam``. With `momentum-decay` ψ above 0, μₜ = β₁ (1 − 0.5 · 0.96^(tψ)) grows over the steps, as
/// Dozat proposes (there ψ = 0.004) and PyTorch does. Defaults: η 0.002, β₁ 0.9, β₂ 0.999, ε 1e-8.
package struct NAdam: UpdateRule {
  package static let name = "nadam"
  package static let equations = "m, v as Adam's; θ ← θ − η (β₁m̂' + (1−β₁)ĝ)/(√v̂ + ε)"
  package static let paper = "Dozat 2016"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.002), .beta1(),
    .beta2(), .epsilon(),
    .real(
      "momentum-decay", default: 0, .notNegative,
      "ψ of a momentum that grows from half of beta1; 0.004 as in PyTorch, 0 for a constant one."),
  ]
  package let slots = ["first-moment", "second-moment"]

  package static let writesSlotsBeside = true

  private let beta1, beta2, epsilon, momentumDecay: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
    momentumDecay = values["momentum-decay"]
  }

  /// μ of step `number`.
  private func momentum(_ number: Int) -> Double {
    momentumDecay == 0 ? beta1 : beta1 * (1 - 0.5 * Elementary.power(0.96, Double(number) * momentumDecay))
  }

  /// Π after `number` steps. Factors that cannot change 1 − Π any more are left out.
  private func product(_ number: Int) -> Double {
    guard momentumDecay > 0 else { return Elementary.power(beta1, Double(number)) }
    var (product, step) = (1.0, 1)
    while step <= number && product > 1e-20 {
      product *= momentum(step)
      step += 1
    }
    return product
  }

  /// The factors of m and g.
  private func shares(_ step: UpdateStep) -> (moment: Double, gradient: Double) {
    let (now, next) = (momentum(step.number), momentum(step.number + 1))
    return (next / (1 - product(step.number + 1)), (1 - now) / (1 - product(step.number)))
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
