internal import Kernels
package import Schema

/// RMSprop: T. Tieleman & G. Hinton, "Lecture 6.5: RMSprop", COURSERA 2012, with ε outside the root (as in PyTorch):
///
///     vₜ = ρ vₜ₋₁ + (1 − ρ) gₜ²
///     θₜ = θₜ₋₁ − η gₜ / (√vₜ + ε)
///
/// Options: `centered` uses v − a² in place of v, with the mean gradient aₜ = ρ aₜ₋₁ + (1 − ρ) gₜ (A. Graves, arXiv
/// 1308.0850, 2013); `momentum` μ > 0 moves by uₜ = μ uₜ₋₁ + gₜ / (√vₜ + ε); `epsilon-inside` uses √(v + ε).
/// Defaults: η 0.001, ρ 0.9 (the lecture's), ε 1e-8. Other libraries call ρ "alpha" or "decay", with other defaults.
package struct RMSprop: UpdateRule {
  package static let name = "rmsprop"
  package static let equations = "v ← ρv + (1−ρ)g²; θ ← θ − η g/(√v + ε)"
  package static let paper = "Tieleman & Hinton 2012"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .rho(),
    .epsilon(), .momentum(0),
    .flag("centered", default: false, "Take the variance in place of the mean square."),
    .flag("epsilon-inside", default: false, "Add epsilon inside the root."),
  ]

  package static let writesSlotsBeside = true

  private let rho, momentum, epsilon, epsilonInside: Double
  private let isCentered: Bool

  package init(_ values: OptionValues) {
    rho = values["rho"]
    momentum = values["momentum"]
    isCentered = values.isOn("centered")
    epsilon = values.isOn("epsilon-inside") ? 0 : values["epsilon"]
    epsilonInside = values.isOn("epsilon-inside") ? values["epsilon"] : 0
  }

  package var slots: [String] {
    ["mean-square"] + (isCentered ? ["mean-gradient"] : []) + (momentum > 0 ? ["velocity"] : [])
  }

  private func meanGradient(_ range: UpdateRange) -> MutableFloats? { isCentered ? range.slots[1] : nil }
  private func velocity(_ range: UpdateRange) -> MutableFloats? { momentum > 0 ? range.slots.last : nil }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.rmsprop(
      range.slots[0], meanGradient: meanGradient(range), velocity: velocity(range), rho: rho, momentum: momentum,
      epsilon: epsilon, epsilonInside: epsilonInside, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (meanSquare, meanGradient, velocity) = (range.slots[0], meanGradient(range), velocity(range))
    range.each { i, g in
      var v = rho * Double(meanSquare[i]) + (1 - rho) * g * g
      meanSquare[i] = Float(v)
      if let meanGradient {
        let a = rho * Double(meanGradient[i]) + (1 - rho) * g
        meanGradient[i] = Float(a)
        v = max(0, v - a * a)
      }
      var difference = g / ((v + epsilonInside).squareRoot() + epsilon)
      if let velocity {
        difference += momentum * Double(velocity[i])
        velocity[i] = Float(difference)
      }
      range.vectors.move(i, by: step.learningRate * difference)
    }
  }
}
