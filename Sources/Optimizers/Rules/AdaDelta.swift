internal import Kernels
package import Schema

/// AdaDelta: M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv 1212.5701, 2012, Algorithm 1, with both
/// accumulators, the mean square of the gradients and that of the updates:
///
///     E[g²]ₜ = ρ E[g²]ₜ₋₁ + (1 − ρ) gₜ²
///     Δxₜ = √(E[Δx²]ₜ₋₁ + ε) / √(E[g²]ₜ + ε) · gₜ
///     E[Δx²]ₜ = ρ E[Δx²]ₜ₋₁ + (1 − ρ) Δxₜ²
///     θₜ = θₜ₋₁ − η Δxₜ
///
/// A common variant with a single accumulator is not AdaDelta: in the paper the ratio of the two roots gives the update
/// the unit of the parameters.
/// Defaults: ρ 0.95, ε 1e-6, and η 1, as in the paper, which has no learning rate.
package struct AdaDelta: UpdateRule {
  package static let name = "adadelta"
  package static let equations = "E ← ρE + (1−ρ)g²; Δ = √(D+ε)/√(E+ε) g; D ← ρD + (1−ρ)Δ²; θ ← θ − η Δ"
  package static let paper = "Zeiler 2012"
  package static let options: [OptionDeclaration] = [
    .learningRate(1), .rho(0.95),
    .epsilon(1e-6),
  ]
  package let slots = ["mean-square", "mean-square-update"]

  package static let writesSlotsBeside = true

  private let rho, epsilon: Double

  package init(_ values: OptionValues) {
    rho = values["rho"]
    epsilon = values["epsilon"]
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.adadelta(
      range.slots[0], range.slots[1], rho: rho, epsilon: epsilon, rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (meanSquare, meanSquareUpdate) = (range.slots[0], range.slots[1])
    range.each { i, g in
      let square = rho * Double(meanSquare[i]) + (1 - rho) * g * g
      let difference = (Double(meanSquareUpdate[i]) + epsilon).squareRoot() / (square + epsilon).squareRoot() * g
      meanSquare[i] = Float(square)
      meanSquareUpdate[i] = Float(rho * Double(meanSquareUpdate[i]) + (1 - rho) * difference * difference)
      range.vectors.move(i, by: step.learningRate * difference)
    }
  }
}
