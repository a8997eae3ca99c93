internal import Kernels
package import Schema

/// Adam's first moment divided by RMSprop's root, without bias correction:
///
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ
///     vₜ = ρ vₜ₋₁ + (1 − ρ) gₜ²
///     θₜ = θₜ₋₁ − η mₜ / (√vₜ + ε)
///
/// The moments are those of D. P. Kingma & J. Ba, ICLR 2015, and of T. Tieleman & G. Hinton, 2012. `rmsprop --momentum`
/// is another rule: it accumulates gradients that are already divided by the root.
package struct RMSpropMomentum: UpdateRule {
  package static let name = "rmsprop-momentum"
  package static let equations = "m, v as Adam's and RMSprop's; θ ← θ − η m/(√v + ε)"
  package static let paper = "of Kingma & Ba 2015 and Tieleman & Hinton 2012"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .rho(), .epsilon(),
  ]
  package let slots = ["first-moment", "mean-square"]

  package static let writesSlotsBeside = true

  private let beta1, rho, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    rho = values["rho"]
    epsilon = values["epsilon"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.rmspropFirstMoment(
      range.slots[0], range.slots[1], MomentDecays(beta1, rho), epsilon: epsilon, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, meanSquare) = (range.slots[0], range.slots[1])
    range.each { i, g in
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let v = rho * Double(meanSquare[i]) + (1 - rho) * g * g
      firstMoment[i] = Float(m)
      meanSquare[i] = Float(v)
      range.vectors.move(i, by: step.learningRate * m / (v.squareRoot() + epsilon))
    }
  }
}
