package import Kernels
package import Schema

/// StableAdamW: M. Wortsman et al., "Stable and low-precision training for large-scale vision-language models", NeurIPS
/// 2023, Algorithm 2: ``AdamW`` with the update clipping of Adafactor, which takes a smaller step for a tensor whose
/// gradient has outgrown its second moment:
///
///     rₜ = √(mean of gₜ² / max(v̂ₜ, ε²))       over a tensor; m, v as in ``Adam``
///     ηₜ = η / max(1, rₜ)
///     θₜ = (1 − ηₜ λ) θₜ₋₁ − ηₜ m̂ₜ / (√v̂ₜ + ε)
///
/// Defaults: η 0.001, β₁ 0.9, β₂ 0.99, ε 1e-6, λ 0.01.
package struct StableAdamW: UpdateRule {
  package static let name = "stable-adamw"
  package static let equations =
    "m, v as Adam's; r = √mean(g²/max(v̂, ε²)), a tensor each; η' = η/max(1, r); θ ← (1 − η'λ)θ − η' m̂/(√v̂ + ε)"
  package static let paper = "Wortsman et al. 2023"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(0.99), .epsilon(1e-6),
  ]
  package static let weightDecay = WeightDecay.decoupled(0.01)
  package let slots = ["first-moment", "second-moment"]

  package static let writesSlotsBeside = true

  private let beta1, beta2, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// Σ gₜ² / max(v̂ₜ, ε²).
  package let sums = RuleSums.eachTensor(1)

  /// Also updates the moments, which the sum needs.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    range.vectors.stableMoments(
      range.slots[0], range.slots[1], MomentDecays(beta1, beta2),
      rootScale: BiasCorrection(beta1, beta2, number: step.number).root, epsilon: epsilon, into: &sums[0])
  }

  /// max(1, rₜ)
  private func divisor(_ range: UpdateRange) -> Double {
    max(1, (range.tensorSums[0] / Double(range.tensorCount)).squareRoot())
  }

  /// The range, whose decay is ηₜ λ.
  private func vectors(_ range: UpdateRange) -> UpdateVectors {
    var vectors = range.vectors
    vectors.shrink /= divisor(range)
    return vectors
  }

  /// Uses the moments that ``measure(_:_:into:)`` has updated.
  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    vectors(range).lambMove(
      range.slots[0], range.slots[1], momentScale: correction.moment, rootScale: correction.root, epsilon: epsilon,
      decay: 0, rate: step.learningRate / divisor(range))
  }

  /// The last equation, with the moments that ``measure(_:_:into:)`` has updated.
  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    let vectors = vectors(range)
    let rate = step.learningRate / divisor(range)
    range.each { i, _ in
      let (m, v) = (Double(range.slots[0][i]), Double(range.slots[1][i]))
      vectors.move(i, by: rate * correction.moment * m / (correction.root * v.squareRoot() + epsilon))
    }
  }
}
