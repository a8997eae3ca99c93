package import Kernels
package import Schema

/// A weighted mean of Adam's and RMSprop's updates:
///
///     Δ_adam = η m̂ₜ / (√v̂ₜ + ε)            m, v as in ``Adam``
///     Δ_rmsprop = η gₜ / (√sₜ + ε)          sₜ = ρ sₜ₋₁ + (1 − ρ) gₜ², as in ``RMSprop``
///     θₜ = θₜ₋₁ − (λ Δ_adam + (1 − λ) Δ_rmsprop)
///
/// λ is constant, changes linearly over the run from 1 to 0 (`to-rmsprop`) or from 0 to 1 (`to-adam`), or is `auto`: it
/// follows its own gradient, as the learning rate does in A. G. Baydin et al., "Online Learning Rate Adaptation with
/// Hypergradient Descent", ICLR 2018. The loss at θₜ₋₁ depends on the λ of the update that led there, and by the chain
/// rule ∂L(θₜ₋₁)/∂λ = gₜ · ∂θₜ₋₁/∂λ, where θₜ₋₁ = θₜ₋₂ − λ Δ_adam − (1 − λ) Δ_rmsprop. So, before update t,
///
///     λₜ = clamp(λₜ₋₁ − κ gₜ · (Δ_rmsprop − Δ_adam)ₜ₋₁, 0, 1)
package struct Blend: UpdateRule {
  package static let name = "blend"
  package static let equations = "θ ← θ − (λ Δ_adam + (1−λ) Δ_rmsprop)"
  package static let paper = "of Kingma & Ba 2015 and Tieleman & Hinton 2012; auto after Baydin et al. 2018"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(), .rho(),
    .epsilon(), .real("lambda", default: 0.5, .share, "Adam's share of a blend; for auto, at the start."),
    .choice(
      "blend", default: "constant", Course.allCases.map(\.rawValue),
      "How lambda goes: constant, to-rmsprop, to-adam, or auto by its own gradient."),
    .real("lambda-rate", default: 1, .positive, "The step size of an auto blend's lambda."),
  ]

  private enum Course: String, CaseIterable {
    case constant
    case toRMSprop = "to-rmsprop"
    case toAdam = "to-adam"
    case auto
  }

  package static let writesSlotsBeside = true

  private let beta1, beta2, rho, epsilon, lambda, lambdaRate: Double
  private let course: Course

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    rho = values["rho"]
    epsilon = values["epsilon"]
    lambda = values["lambda"]
    lambdaRate = values["lambda-rate"]
    course = Course(rawValue: values.text("blend"))!
  }

  package var slots: [String] {
    ["first-moment", "second-moment", "mean-square"] + (course == .auto ? ["last-difference"] : [])
  }

  /// The gradient of λ: gₜ · (Δ_rmsprop − Δ_adam)ₜ₋₁.
  package var sums: RuleSums { course == .auto ? .overall(1) : .none }

  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addGradientProducts(range.vectors, range.slotBefore(3))
  }

  package func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    let last = state.lambda ?? lambda
    step.lambda = step.number == 1 ? last : min(max(last - lambdaRate * sums[0], 0), 1)
    state.lambda = step.lambda
  }

  private func lambda(_ step: UpdateStep) -> Double {
    let progress = step.total > 1 ? Double(step.number - 1) / Double(step.total - 1) : 0
    return switch course {
    case .constant: lambda
    case .toRMSprop: 1 - progress
    case .toAdam: progress
    case .auto: step.lambda
    }
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    range.vectors.blend(
      range.slots[0], range.slots[1], range.slots[2], lastDifference: course == .auto ? range.slots[3] : nil,
      MomentDecays(beta1, beta2), rho: rho, adamRate: step.learningRate * correction.moment,
      rootScale: correction.root, rate: step.learningRate, epsilon: epsilon, lambda: lambda(step))
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, secondMoment, meanSquare) = (range.slots[0], range.slots[1], range.slots[2])
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    let lambda = lambda(step)
    range.each { i, g in
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      let s = rho * Double(meanSquare[i]) + (1 - rho) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      meanSquare[i] = Float(s)
      let adam = step.learningRate * (correction.moment * m) / (correction.root * v.squareRoot() + epsilon)
      let rmsprop = step.learningRate * g / (s.squareRoot() + epsilon)
      if course == .auto { range.slots[3][i] = Float(rmsprop - adam) }
      range.vectors.move(i, by: lambda * adam + (1 - lambda) * rmsprop)
    }
  }
}
