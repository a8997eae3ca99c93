internal import Kernels
package import Schema

/// Adan: X. Xie, P. Zhou, H. Li, Z. Lin & S. Yan, "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep
/// Models", arXiv 2208.06677, 2022, Algorithm 1 without restarts, with the bias corrections of its authors' program, where
/// the first difference is 0 too. β is the share of the former mean, which the paper calls 1 − β:
///
///     xₜ = gₜ − gₜ₋₁                          x₁ = 0
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ              m̂ₜ = mₜ / (1 − β₁ᵗ)
///     dₜ = β₂ dₜ₋₁ + (1 − β₂) xₜ              d̂ₜ = dₜ / (1 − β₂ᵗ)
///     vₜ = β₃ vₜ₋₁ + (1 − β₃) (gₜ + β₂ xₜ)²    v̂ₜ = vₜ / (1 − β₃ᵗ)
///     θₜ = (θₜ₋₁ − η (m̂ₜ + β₂ d̂ₜ) / (√v̂ₜ + ε)) / (1 + η λ)
///
/// Defaults: η 0.001, β₁ 0.98, β₂ 0.92, β₃ 0.99, ε 1e-8, λ 0.
package struct Adan: UpdateRule {
  package static let name = "adan"
  package static let equations =
    "x = g − g'; m ← β₁m + (1−β₁)g; d ← β₂d + (1−β₂)x; v ← β₃v + (1−β₃)(g + β₂x)²; θ ← (θ − η (m̂ + β₂d̂)/(√v̂ + ε))/(1 + ηλ)"
  package static let paper = "Xie et al. 2022"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(0.98),
    .beta2(0.92),
    .real("beta3", default: 0.99, .fraction, "The decay of the second moment."),
    .epsilon(),
  ]
  package static let weightDecay = WeightDecay.own(0)
  package let slots = ["first-moment", "difference-moment", "second-moment", "last-gradient"]

  package static let writesSlotsBeside = true

  private let beta1, beta2, beta3, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    beta3 = values["beta3"]
    epsilon = values["epsilon"]
  }

  /// The factors of m and d, and of √v; `keep` is 1 / (1 + η λ).
  private func factors(_ range: UpdateRange, _ step: UpdateStep) -> (
    moment: Double, difference: Double, root: Double, keep: Double
  ) {
    let correction = BiasCorrection(beta1, beta3, number: step.number)
    let differences = BiasCorrection(beta2, beta3, number: step.number)
    let keep = 1 / (1 + step.learningRate * range.ownDecay)
    let rate = step.learningRate * keep
    return (rate * correction.moment, rate * beta2 * differences.moment, correction.root, keep)
  }

  /// θ, from which the decay is taken: (θ − Δ) keep = θ − ((1 − keep) θ + keep Δ).
  private func vectors(_ range: UpdateRange, keep: Double) -> UpdateVectors {
    var vectors = range.vectors
    vectors.shrink = 1 - keep
    return vectors
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let factors = factors(range, step)
    vectors(range, keep: factors.keep).adan(
      range.slots[0], range.slots[1], range.slots[2], lastGradient: range.slots[3], hasLast: step.number > 1,
      MomentDecays(beta1, beta2), beta3: beta3, momentRate: factors.moment, differenceRate: factors.difference,
      rootScale: factors.root, epsilon: epsilon)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, differenceMoment, secondMoment) = (range.slots[0], range.slots[1], range.slots[2])
    let lastGradient = range.slots[3]
    let factors = factors(range, step)
    let vectors = vectors(range, keep: factors.keep)
    range.each { i, g in
      let difference = step.number > 1 ? g - Double(lastGradient[i]) : 0
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let d = beta2 * Double(differenceMoment[i]) + (1 - beta2) * difference
      let ahead = g + beta2 * difference
      let v = beta3 * Double(secondMoment[i]) + (1 - beta3) * ahead * ahead
      firstMoment[i] = Float(m)
      differenceMoment[i] = Float(d)
      secondMoment[i] = Float(v)
      lastGradient[i] = Float(g)
      vectors.move(i, by: (factors.moment * m + factors.difference * d) / (factors.root * v.squareRoot() + epsilon))
    }
  }
}
