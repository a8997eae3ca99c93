package import Kernels
package import Schema

/// Schedule-Free AdamW: A. Defazio et al., "The Road Less Scheduled", NeurIPS 2024, Algorithm 1, in the form of its authors'
/// program, which keeps the point y at which gradients are computed as the parameters θ and the sequence z beside it:
///
///     vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²
///     dₜ = gₜ / (√v̂ₜ + ε) + λ θₜ₋₁
///     cₜ = ηmax² / Σ ηmax²                    with ηmax, the largest η so far
///     θₜ = θₜ₋₁ + cₜ (zₜ₋₁ − θₜ₋₁) − η (1 − β₁ (1 − cₜ)) dₜ
///     zₜ = zₜ₋₁ − η dₜ
///
/// so that θ = (1 − β₁) z + β₁ x with the average xₜ = (1 − cₜ) xₜ₋₁ + cₜ zₜ. Evaluations read x, and a run leaves it:
///
///     x = θ + (1 − 1/β₁) (z − θ)
///
/// A batch norm's statistics are those of training at θ.
///
/// Defaults: η 0.0025, β₁ 0.9, β₂ 0.999, ε 1e-8, λ 0.
package struct ScheduleFreeAdamW: UpdateRule {
  package static let name = "schedule-free"
  package static let equations =
    "v as Adam's; d = g/(√v̂ + ε) + λθ; c = ηmax²/Σηmax²; θ ← θ + c(z − θ) − η(1 − β₁(1−c))d; z ← z − ηd; evaluated at θ + (1 − 1/β₁)(z − θ)"
  package static let paper = "Defazio et al. 2024"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.0025), .beta1(),
    .beta2(), .epsilon(),
  ]
  package static let weightDecay = WeightDecay.own(0)
  package static let averages = true
  package static let writesSlotsBeside = true

  /// z, and v. The first update takes the parameters before it for z, so that z may be zero at first.
  package let slots = ["iterate", "second-moment"]

  private let beta1, beta2, epsilon: Double

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  package func check() throws {
    guard beta1 >= 0.01 else {
      throw OptionError(
        "--beta1 \(beta1) does not go with --optimizer \(Self.name), which evaluates at θ + (1 − 1/β₁)(z − θ): give at least 0.01"
      )
    }
  }

  /// Adds the step's weight, ηmax².
  package func begin(_ state: inout OptimizerState, _ step: inout UpdateStep) {
    var averaged = state.averaged ?? OptimizerState.AveragedSteps()
    averaged.largestRate = max(averaged.largestRate, step.learningRate)
    let weight = averaged.largestRate * averaged.largestRate
    averaged.weight += weight
    step.averageShare = averaged.weight > 0 ? weight / averaged.weight : 0
    state.averaged = averaged
  }

  /// zₜ₋₁
  private func iterateBefore(_ range: UpdateRange, _ step: UpdateStep) -> Floats {
    step.number == 1 ? range.vectors.parameters : range.slotBefore(0)
  }

  /// η (1 − β₁ (1 − cₜ))
  private func parameterRate(_ step: UpdateStep) -> Double {
    step.learningRate * (1 - beta1 * (1 - step.averageShare))
  }

  private func rootScale(_ step: UpdateStep) -> Double { BiasCorrection(beta1, beta2, number: step.number).root }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.scheduleFree(
      iterateBefore(range, step), range.slots[0], range.slots[1], decay: beta2, rate: step.learningRate,
      parameterRate: -parameterRate(step), toward: step.averageShare, rootScale: rootScale(step), epsilon: epsilon,
      weightDecay: range.ownDecay)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (iterate, secondMoment) = (range.slots[0], range.slots[1])
    let (before, parameterRate, rootScale) = (iterateBefore(range, step), parameterRate(step), rootScale(step))
    range.each { i, g in
      let (theta, z) = (Double(range.vectors.parameters[i]), Double(before[i]))
      let v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      let d = g / (rootScale * v.squareRoot() + epsilon) + range.ownDecay * theta
      range.vectors.updated[i] = Float(theta + step.averageShare * (z - theta) - parameterRate * d)
      iterate[i] = Float(z - step.learningRate * d)
      secondMoment[i] = Float(v)
    }
  }

  package func average(_ range: UpdateRange, into average: MutableFloats) {
    interpolate(range.vectors.updated.readOnly, range.slots[0].readOnly, weight: 1 - 1 / beta1, into: average)
  }
}
