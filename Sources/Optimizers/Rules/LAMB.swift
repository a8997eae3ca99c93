package import Kernels
package import Schema

/// LAMB: Y. You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020, Algorithm
/// 2, with the identity as φ and bias correction. For each tensor:
///
///     rₜ = m̂ₜ / (√v̂ₜ + ε) + λ θₜ₋₁          m, v as in ``Adam``
///     θₜ = θₜ₋₁ − η ‖θₜ₋₁‖ / ‖rₜ‖ · rₜ       the ratio is 1 if either norm is 0
///
/// Defaults: η 0.001, β₁ 0.9, β₂ 0.999, ε 1e-6, λ 0.01.
package struct LAMB: UpdateRule {
  package static let name = "lamb"
  package static let equations = "r = m̂/(√v̂ + ε) + λθ; θ ← θ − η ‖θ‖/‖r‖ r, a tensor each"
  package static let paper = "You et al. 2020"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(), .epsilon(1e-6),
  ]
  package static let weightDecay = WeightDecay.own(0.01)
  package let slots = ["first-moment", "second-moment"]

  package static let writesSlotsBeside = true

  private let beta1, beta2, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// ‖θ‖² and ‖r‖².
  package let sums = RuleSums.eachTensor(2)

  /// Also updates the moments, which r needs.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    sums[0].addSquares(range.vectors.parameters)
    range.vectors.lambMoments(
      range.slots[0], range.slots[1], MomentDecays(beta1, beta2), momentScale: correction.moment,
      rootScale: correction.root, epsilon: epsilon, decay: range.ownDecay, into: &sums[1])
  }

  private func ratio(_ range: UpdateRange) -> Double {
    let (parameters, direction) = (range.tensorSums[0].squareRoot(), range.tensorSums[1].squareRoot())
    return parameters > 0 && direction > 0 ? parameters / direction : 1
  }

  /// Uses the moments that ``measure(_:_:into:)`` has updated.
  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    range.vectors.lambMove(
      range.slots[0], range.slots[1], momentScale: correction.moment, rootScale: correction.root, epsilon: epsilon,
      decay: range.ownDecay, rate: step.learningRate * ratio(range))
  }

  /// The second equation, with the moments that ``measure(_:_:into:)`` has updated.
  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    range.each { i, _ in
      let (m, v) = (Double(range.slots[0][i]), Double(range.slots[1][i]))
      let r =
        correction.moment * m / (correction.root * v.squareRoot() + epsilon)
        + range.ownDecay * Double(range.vectors.parameters[i])
      range.vectors.move(i, by: step.learningRate * ratio(range) * r)
    }
  }
}
