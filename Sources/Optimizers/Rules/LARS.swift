package import Kernels
package import Schema

/// LARS: Y. You, I. Gitman & B. Ginsburg, "Large Batch Training of Convolutional Networks", arXiv 1708.03888, 2017,
/// Algorithm 1. For each tensor, with the trust coefficient τ:
///
///     qₜ = τ ‖θₜ₋₁‖ / (‖gₜ‖ + λ ‖θₜ₋₁‖)      1 if either norm is 0
///     uₜ = μ uₜ₋₁ + η qₜ (gₜ + λ θₜ₋₁)
///     θₜ = θₜ₋₁ − uₜ
///
/// Defaults: η 0.1, μ 0.9, τ 0.001, λ 0.0005.
package struct LARS: UpdateRule {
  package static let name = "lars"
  package static let equations = "q = τ‖θ‖/(‖g‖ + λ‖θ‖); u ← μu + ηq(g + λθ); θ ← θ − u, a tensor each"
  package static let paper = "You, Gitman & Ginsburg 2017"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.1), .momentum(0.9),
    .real("trust", default: 0.001, .positive, "LARS' trust coefficient."),
  ]
  package static let weightDecay = WeightDecay.own(0.0005)
  package let slots = ["velocity"]

  package static let writesSlotsBeside = true

  private let momentum, trust: Double

  package init(_ values: OptionValues) {
    momentum = values["momentum"]
    trust = values["trust"]
  }

  /// ‖θ‖² and ‖g‖².
  package let sums = RuleSums.eachTensor(2)

  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addSquares(range.vectors.parameters)
    sums[1].addGradientSquares(range.vectors)
  }

  private func ratio(_ range: UpdateRange) -> Double {
    let (parameters, gradient) = (range.tensorSums[0].squareRoot(), range.tensorSums[1].squareRoot())
    return parameters > 0 && gradient > 0 ? trust * parameters / (gradient + range.ownDecay * parameters) : 1
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    var vectors = range.vectors
    vectors.decay = range.ownDecay
    vectors.momentum(
      range.slots[0], momentum: momentum, gradientShare: step.learningRate * ratio(range), rate: 1)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let velocity = range.slots[0]
    range.each { i, g in
      let decayed = g + range.ownDecay * Double(range.vectors.parameters[i])
      let u = momentum * Double(velocity[i]) + step.learningRate * ratio(range) * decayed
      velocity[i] = Float(u)
      range.vectors.move(i, by: u)
    }
  }
}
