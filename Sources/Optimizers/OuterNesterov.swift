internal import Kernels
package import Schema

/// Any rule, with an outer Nesterov step after every H updates: the form with one replica of DiLoCo (A. Douillard et al.,
/// arXiv 2311.08105, 2023, Algorithm 1 with k = 1), which D. Kallusky et al. study as SNOO (arXiv 2510.15830, 2025).
///
/// The rule updates θ as always. The last update of a round then moves on from the anchor a, which is θ before the round:
///
///     Δ = a − θₜ
///     b ← μ b + Δ
///     θₜ ← a − α (Δ + μ b),   a ← θₜ
///
/// A round ends with update t if t mod H = 0, and with the last update of a run, so the last round may be shorter. The
/// moments of the rule go on from round to round.
///
/// Defaults: α 0.4, which Z. Charles et al., "Scaling Laws for DiLoCo" (arXiv 2503.09799, 2025, figure 7), find best for
/// one replica and H = 30; μ 0.9, as there.
struct OuterNesterov<Rule: UpdateRule>: UpdateRule {
  static var name: String { Rule.name }
  static var equations: String { Rule.equations + "; \(OptionDeclaration.outerEquations)" }
  static var paper: String { Rule.paper + "; Douillard et al. 2023" }
  static var options: [OptionDeclaration] { Rule.options }
  static var weightDecay: WeightDecay { Rule.weightDecay }
  static var hasHypergradient: Bool { Rule.hasHypergradient }
  static var stepIsWhole: Bool { Rule.stepIsWhole }
  static var writesSlotsBeside: Bool { Rule.writesSlotsBeside }
  static var transformsTensors: Bool { Rule.transformsTensors }

  private let rule: Rule
  private let every: Int
  private let rate, momentum: Double

  init(_ values: OptionValues) {
    rule = Rule(values)
    every = values.whole(OptionDeclaration.outerEvery.name)
    rate = values["outer-learning-rate"]
    momentum = values["outer-momentum"]
  }

  func check() throws { try rule.check() }

  /// Those of the rule, a, and b. The first update takes the parameters before it for a, so that a may be zero at first.
  var slots: [String] { rule.slots + ["outer-anchor", "outer-momentum"] }

  var squares: Set<String> { rule.squares }

  var sums: RuleSums { rule.sums }

  func begin(_ state: inout OptimizerState, _ step: inout UpdateStep) { rule.begin(&state, &step) }

  func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    rule.measure(inner(range), step, into: &sums)
  }

  func tensorSlots(shape: [Int], count: Int) -> [TensorSlot] { rule.tensorSlots(shape: shape, count: count) }

  func transform(_ tensor: WholeTensor, _ step: UpdateStep) { rule.transform(tensor, step) }

  func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    rule.adapt(&state, &step, sums)
  }

  func update(_ range: UpdateRange, _ step: UpdateStep) {
    rule.update(inner(range), step)
    let outer = Outer(range, step)
    if endsRound(step) {
      range.vectors.outerNesterov(outer.before, outer.anchor, outer.momentum, momentum: momentum, rate: rate)
    } else {
      outer.keep()
    }
  }

  func reference(_ range: UpdateRange, _ step: UpdateStep) {
    rule.reference(inner(range), step)
    let outer = Outer(range, step)
    guard endsRound(step) else { return outer.keep() }
    for i in range.vectors.parameters.indices {
      let anchor = Double(outer.before[i])
      let difference = anchor - Double(range.vectors.updated[i])
      let b = momentum * Double(outer.momentumBefore[i]) + difference
      let next = Float(anchor - rate * (difference + momentum * b))
      outer.momentum[i] = Float(b)
      outer.anchor[i] = next
      range.vectors.updated[i] = next
    }
  }

  private func endsRound(_ step: UpdateStep) -> Bool { step.isLast || step.number.isMultiple(of: every) }

  /// The range as the rule sees it.
  private func inner(_ range: UpdateRange) -> UpdateRange {
    var inner = range
    inner.slots.removeLast(2)
    return inner
  }
}

/// The outer slots of one range.
private struct Outer {
  /// a and b, to be written.
  let anchor, momentum: MutableFloats
  /// a and b before the update; the same memory as those to be written if slots are updated in place.
  let before, momentumBefore: Floats

  init(_ range: UpdateRange, _ step: UpdateStep) {
    let first = range.slots.count - 2
    (anchor, momentum) = (range.slots[first], range.slots[first + 1])
    before = step.number == 1 ? range.vectors.parameters : range.slotBefore(first)
    momentumBefore = range.slotBefore(first + 1)
  }

  /// Leaves a and b as they are.
  func keep() {
    if !anchor.isSame(as: before) { anchor.copy(before) }
    if !momentum.isSame(as: momentumBefore) { momentum.copy(momentumBefore) }
  }
}

extension OptionDeclaration {
  fileprivate static let outerEquations = "every H updates Δ = a − θ; b ← μb + Δ; θ ← a − α(Δ + μb); a ← θ"

  /// H, of every rule.
  package static let outerEvery = OptionDeclaration.whole(
    "outer-every", default: 0, 0...1 << 48, valueName: "updates",
    "Updates from an outer Nesterov step to the next; 0 for none.")

  /// Options that go only with ``outerEvery`` above 0, or with ``localSteps`` above 1.
  package static let ofOuterSteps: [OptionDeclaration] = [
    .real(
      "outer-learning-rate", default: 0.4, .positive,
      "The step size of outer steps; needs --outer-every, or --local-steps."),
    .real(
      "outer-momentum", default: 0.9, .fraction,
      "The decay of the outer momentum; needs --outer-every, or --local-steps."),
  ]
}
