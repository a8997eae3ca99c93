package import Kernels
package import Schema

/// Adam: D. P. Kingma & J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1, with bias
/// correction and ε outside the root:
///
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ           m̂ₜ = mₜ / (1 − β₁ᵗ)
///     vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²          v̂ₜ = vₜ / (1 − β₂ᵗ)
///     θₜ = θₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)
///
/// Options: `bias-correction no` uses m and v uncorrected; `epsilon-hat` is the form at the end of the paper's section
/// 2, θₜ = θₜ₋₁ − η √(1 − β₂ᵗ) / (1 − β₁ᵗ) · mₜ / (√vₜ + ε̂); `amsgrad` uses the largest v so far (S. J. Reddi, S. Kale
/// & S. Kumar, ICLR 2018, with Adam's bias correction, as in PyTorch). With `--schedule hypergradient` (A. G. Baydin et
/// al., ICLR 2018, Algorithm 5) ηₜ = max(0, ηₜ₋₁ + κ gₜ · m̂ₜ₋₁ / (√v̂ₜ₋₁ + ε)).
/// Defaults are the paper's: η 0.001, β₁ 0.9, β₂ 0.999, ε 1e-8.
package struct Adam: UpdateRule {
  package static let name = "adam"
  package static let equations = "m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − η m̂/(√v̂ + ε)"
  package static let paper = "Kingma & Ba 2015"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(), .epsilon(),
    .flag("bias-correction", default: true, "Correct the moments for their start at zero."),
    .flag("epsilon-hat", default: false, "Add epsilon before the bias correction."),
    .flag("amsgrad", default: false, "Take the largest second moment so far."),
  ]
  package static let hasHypergradient = true

  package static let writesSlotsBeside = true

  private let beta1, beta2, epsilon: Double
  private let correctsBias, hasEpsilonHat, keepsLargest: Bool
  private let hypergradientRate: Double?

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
    correctsBias = values.isOn("bias-correction")
    hasEpsilonHat = values.isOn("epsilon-hat")
    keepsLargest = values.isOn("amsgrad")
    hypergradientRate = values.ifGiven("hypergradient-rate")
  }

  /// The paper's rule, without variants.
  init(beta1: Double, beta2: Double, epsilon: Double) {
    (self.beta1, self.beta2, self.epsilon) = (beta1, beta2, epsilon)
    (correctsBias, hasEpsilonHat, keepsLargest) = (true, false, false)
    hypergradientRate = nil
  }

  package func check() throws {
    guard !hasEpsilonHat || correctsBias else {
      throw OptionError("--epsilon-hat yes needs --bias-correction yes")
    }
  }

  package var slots: [String] {
    ["first-moment", "second-moment"] + (keepsLargest ? ["largest-second-moment"] : [])
  }

  /// The factors of m and √v after `number` steps.
  private func scales(_ number: Int) -> (moment: Double, root: Double) {
    guard correctsBias else { return (1, 1) }
    let correction = BiasCorrection(beta1, beta2, number: number)
    return hasEpsilonHat ? (correction.moment / correction.root, 1) : (correction.moment, correction.root)
  }

  private func largest(_ range: UpdateRange) -> MutableFloats? { keepsLargest ? range.slots[2] : nil }

  /// gₜ · (last update direction).
  package var sums: RuleSums { hypergradientRate == nil ? .none : .overall(1) }

  /// The slots still hold the last step's moments.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    guard step.number > 1 else { return }
    let scales = scales(step.number - 1)
    sums[0].addAdamProducts(
      range.vectors, range.slots[0], largest(range) ?? range.slots[1], momentScale: scales.moment,
      rootScale: scales.root, epsilon: epsilon)
  }

  package func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    state.followHypergradient(sums[0], rate: hypergradientRate, &step)
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    let scales = scales(step.number)
    range.vectors.adam(
      range.slots[0], range.slots[1], largest: largest(range), MomentDecays(beta1, beta2),
      rate: step.learningRate * scales.moment, rootScale: scales.root, epsilon: epsilon)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let (firstMoment, secondMoment, largest) = (range.slots[0], range.slots[1], largest(range))
    let scales = scales(step.number)
    range.each { i, g in
      let m = beta1 * Double(firstMoment[i]) + (1 - beta1) * g
      var v = beta2 * Double(secondMoment[i]) + (1 - beta2) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      if let largest {
        v = max(v, Double(largest[i]))
        largest[i] = Float(v)
      }
      range.vectors.move(i, by: step.learningRate * (scales.moment * m) / (scales.root * v.squareRoot() + epsilon))
    }
  }
}
