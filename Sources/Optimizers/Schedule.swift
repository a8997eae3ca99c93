internal import Kernels
package import Schema

/// How the learning rate changes over the run: the values of `--schedule`.
///
/// η₀: the given learning rate; s: the update's number; W: the warm-up's updates; k of K: updates after the warm-up; S,
/// f, e and p: `schedule-steps`, `-factor`, `-end` and `-power`.
package enum ScheduleKind: String, CaseIterable, Sendable {
  /// η₀.
  case constant
  /// From η₀ to e η₀ on a line.
  case linear
  /// η₀ f^(k / S).
  case exponential
  /// η₀ f^⌊k / S⌋.
  case step
  /// Half a cosine wave from η₀ to e η₀, repeated if there are restarts (I. Loshchilov & F. Hutter, "SGDR: Stochastic
  /// Gradient Descent with Warm Restarts", ICLR 2017, equation 5).
  case cosine
  /// η₀ (e + (1 − e)(1 − k / K)^p).
  case polynomial
  /// η₀ √(W / s) (A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3, scaled to reach η₀).
  case inverseSquareRoot = "inverse-sqrt"
  /// Multiplied by f when the loss of evaluations has not decreased for some of them.
  case plateau
  /// Follows its own gradient, which the rule measures (A. G. Baydin et al., ICLR 2018).
  case hypergradient
  /// From η₀ to r η₀ by equal factors, r: `schedule-range`: the learning-rate range test (L. N. Smith, "Cyclical Learning
  /// Rates for Training Neural Networks", WACV 2017, section 3.3, there on a line).
  case range

  /// The warm-up, and the schedule's own options. `schedule-steps` 0 means the default that the help names.
  package var options: [OptionDeclaration] {
    let end = OptionDeclaration.real(
      "schedule-end", default: 0, .share, valueName: "share", "The share of the learning rate at the end.")
    let steps = OptionDeclaration.whole(
      "schedule-steps", default: 0, ScheduleKind.steps,
      "Steps of a stair (step: a third of the run), of a decay (exponential: an epoch) or of a wave (cosine: the run).")
    func factor(_ value: Double) -> OptionDeclaration {
      .real("schedule-factor", default: value, .share, valueName: "share", "What the learning rate is multiplied by.")
    }
    let warmup = OptionDeclaration.whole(
      "warmup", default: 0, ScheduleKind.steps, "Steps in which the learning rate rises to its value.")
    switch self {
    case .constant, .inverseSquareRoot: return [warmup]
    case .linear: return [warmup, end]
    case .exponential: return [warmup, factor(0.9), steps]
    case .step: return [warmup, factor(0.1), steps]
    case .cosine:
      return [
        warmup, end, steps,
        .real(
          "schedule-growth", default: 1, .within(1...1e6), "How much longer each wave is than the one before."),
      ]
    case .polynomial: return [warmup, end, .real("schedule-power", default: 2, .positive, "The exponent.")]
    case .range:
      return [
        .real(
          "schedule-range", default: 1e6, .within(1...1e30), "What the learning rate is multiplied by over the run.")
      ]
    case .plateau:
      return [
        warmup, factor(0.1),
        .whole(
          "plateau-patience", default: 2, ScheduleKind.steps,
          "Evaluations without a smaller loss that are borne."),
        .real(
          "plateau-threshold", default: 1e-4, .fraction, valueName: "share",
          "By what share the loss must become smaller."),
      ]
    case .hypergradient:
      return [.real("hypergradient-rate", default: 1e-4, .positive, "The step size of the learning rate.")]
    }
  }

  private static let steps: ClosedRange<UInt64> = 0...1 << 48

  /// The values of `--schedule`, with their options.
  package static let selector = OptionSelector(
    "schedule", allCases.map { Alternative($0.rawValue, options: $0.options) })

  /// The option `--schedule`.
  package static let option = OptionDeclaration.choice(
    "schedule", default: constant.rawValue, allCases.map(\.rawValue),
    "How the learning rate goes: \(allCases.map(\.rawValue).joined(separator: ", ")).")
}

/// The learning rate: a pure function of the update's number, and for some schedules of ``OptimizerState``.
package struct Schedule: Sendable {
  package let kind: ScheduleKind
  private let base: Double
  private let total: Int
  private let stepsPerEpoch: Int
  private let values: OptionValues

  /// The schedule of a run of `total` updates.
  package init(_ settings: OptimizerSettings, total: Int, stepsPerEpoch: Int) {
    kind = settings.schedule
    base = settings.learningRate
    (self.total, self.stepsPerEpoch) = (total, stepsPerEpoch)
    values = settings.values
  }

  private var warmup: Int { kind == .hypergradient || kind == .range ? 0 : values.whole("warmup") }

  /// η of update `number`, counted from 1.
  package func learningRate(_ number: Int, _ state: OptimizerState) -> Double {
    let done = number - 1
    guard done >= warmup else { return base * Double(number) / Double(warmup) }
    return base * factor(after: done - warmup, state)
  }

  /// The factor of the base rate `k` steps after the warm-up.
  private func factor(after k: Int, _ state: OptimizerState) -> Double {
    let left = Double(max(total - warmup, 1))
    let course = Double(k) / left
    func mix(_ share: Double) -> Double { values["schedule-end"] + (1 - values["schedule-end"]) * share }
    func steps(_ usual: Int) -> Int { values["schedule-steps"] > 0 ? values.whole("schedule-steps") : max(usual, 1) }
    switch kind {
    case .constant, .hypergradient: return 1
    case .linear: return mix(1 - course)
    case .exponential: return Elementary.power(values["schedule-factor"], Double(k) / Double(steps(stepsPerEpoch)))
    case .step: return Elementary.power(values["schedule-factor"], Double(k / steps((total + 2) / 3)))
    case .cosine:
      var (position, period) = (k, steps(Int(left)))
      if values["schedule-growth"] == 1 {
        position %= period
      } else {
        while position >= period {
          position -= period
          // The limit is longer than any run, and fits into an Int.
          period = Int(min((Double(period) * values["schedule-growth"]).rounded(), 0x1p60))
        }
      }
      return mix((1 + Elementary.cosineOfPi(Double(position) / Double(period))) / 2)
    case .polynomial: return mix(Elementary.power(1 - course, values["schedule-power"]))
    case .inverseSquareRoot:
      let reached = max(warmup, 1)
      return (Double(reached) / Double(max(k + warmup + 1, reached))).squareRoot()
    case .range: return Elementary.power(values["schedule-range"], Double(k) / max(left - 1, 1))
    case .plateau: return state.plateau.factor
    }
  }

  /// Records an evaluation's loss, for the plateau schedule.
  package func evaluated(_ loss: Double, _ state: inout OptimizerState) {
    guard kind == .plateau else { return }
    if state.plateau.best.map({ loss < $0 * (1 - values["plateau-threshold"]) }) ?? true {
      state.plateau.best = loss
      state.plateau.bad = 0
    } else {
      state.plateau.bad += 1
      if state.plateau.bad > values.whole("plateau-patience") {
        state.plateau.factor *= values["schedule-factor"]
        state.plateau.bad = 0
      }
    }
  }
}
