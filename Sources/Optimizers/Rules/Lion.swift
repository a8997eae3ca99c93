internal import Kernels
package import Schema

/// Lion: X. Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, Algorithm 2:
///
///     θₜ = (1 − η λ) θₜ₋₁ − η sign(β₁ mₜ₋₁ + (1 − β₁) gₜ)          sign(0) = 0
///     mₜ = β₂ mₜ₋₁ + (1 − β₂) gₜ
///
/// Defaults: η 0.0001, β₁ 0.9, β₂ 0.99, λ 0.
package struct Lion: UpdateRule {
  package static let name = "lion"
  package static let equations = "θ ← (1 − ηλ)θ − η sign(β₁m + (1−β₁)g); m ← β₂m + (1−β₂)g"
  package static let paper = "Chen et al. 2023"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.0001), .beta1(),
    .beta2(0.99),
  ]
  package static let weightDecay = WeightDecay.decoupled(0)
  package let slots = ["first-moment"]

  package static let writesSlotsBeside = true

  private let beta1, beta2: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.lion(range.slots[0], MomentDecays(beta1, beta2), rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let firstMoment = range.slots[0]
    range.each { i, g in
      let c = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      firstMoment[i] = Float(beta2 * Double(firstMoment[i]) + (1 - beta2) * g)
      range.vectors.move(i, by: step.learningRate * (c > 0 ? 1 : c < 0 ? -1 : 0))
    }
  }
}
