internal import Foundation

/// How the learning rate goes over the run. What `--schedule` names.
package enum ScheduleKind: String, CaseIterable, Sendable {
  /// η₀.
  case constant
  /// From η₀ to e η₀ on a line.
  case linear
  /// η₀ f^(k / S).
  case exponential
  /// η₀ f^⌊k / S⌋.
  case step
  /// Half a cosine wave from η₀ to e η₀, again and again where there are restarts (I. Loshchilov & F. Hutter, "SGDR:
  /// Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5).
  case cosine
  /// η₀ (e + (1 − e)(1 − k / K)^p).
  case polynomial
  /// η₀ √(W / s) (A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3, scaled to reach η₀).
  case inverseSquareRoot = "inverse-sqrt"
  /// Multiplied by f when the test loss has not become smaller for some evaluations.
  case plateau
  /// Follows its own gradient; the rule measures it (A. G. Baydin et al., ICLR 2018).
  case hypergradient

  /// The schedule itself, the warm-up, and what this one is tuned by. Steps of 0 stand for the usual.
  package var hyperparameters: [Hyperparameter] {
    let end = Hyperparameter("schedule-end", default: 0, .share)
    let steps = Hyperparameter("schedule-steps", default: 0, .whole)
    let own: [Hyperparameter] =
      switch self {
      case .constant, .inverseSquareRoot: []
      case .linear: [end]
      case .exponential: [Hyperparameter("schedule-factor", default: 0.9, .share), steps]
      case .step: [Hyperparameter("schedule-factor", default: 0.1, .share), steps]
      case .cosine: [end, steps, Hyperparameter("schedule-growth", default: 1, .atLeastOne)]
      case .polynomial: [end, Hyperparameter("schedule-power", default: 2, .positive)]
      case .plateau:
        [
          Hyperparameter("schedule-factor", default: 0.1, .share),
          Hyperparameter("plateau-patience", default: 2, .whole),
          Hyperparameter("plateau-threshold", default: 1e-4, .fraction),
        ]
      case .hypergradient: [Hyperparameter("hypergradient-rate", default: 1e-4, .positive)]
      }
    let kinds = Hyperparameter(
      "schedule", default: Double(ScheduleKind.allCases.firstIndex(of: self)!),
      .choice(ScheduleKind.allCases.map(\.rawValue)))
    let warmup = self == .hypergradient ? [] : [Hyperparameter("warmup", default: 0, .whole)]
    return [kinds] + warmup + own
  }

  /// The one that the values of a job's hyperparameters name.
  package static func chosen(in given: [String: Double]) -> ScheduleKind {
    given["schedule"].flatMap { value in allCases.indices.first { Double($0) == value } }.map { allCases[$0] }
      ?? .constant
  }
}

/// The learning rate as a pure function of the update's number, and where it has to remember something, of that.
package struct Schedule: Sendable {
  /// Which one.
  package let kind: ScheduleKind
  private let base: Double
  private let total: Int
  private let stepsPerEpoch: Int
  private let values: HyperparameterValues

  /// The schedule of a run of `total` updates.
  package init(_ settings: OptimizerSettings, total: Int, stepsPerEpoch: Int) {
    kind = ScheduleKind.chosen(in: settings.values)
    base = settings.learningRate
    self.total = total
    self.stepsPerEpoch = stepsPerEpoch
    values = HyperparameterValues(settings.values)
  }

  private var warmup: Int { Int(values.ifGiven("warmup") ?? 0) }

  /// η of update `number`, from 1.
  package func learningRate(_ number: Int, _ state: OptimizerState) -> Double {
    let done = number - 1
    guard done >= warmup else { return base * Double(number) / Double(warmup) }
    return base * factor(after: done - warmup, state)
  }

  /// What the base rate is multiplied by `k` steps after the warm-up.
  private func factor(after k: Int, _ state: OptimizerState) -> Double {
    let left = Double(max(total - warmup, 1))
    let course = Double(k) / left
    func mix(_ share: Double) -> Double { values["schedule-end"] + (1 - values["schedule-end"]) * share }
    func steps(_ usual: Int) -> Int { values["schedule-steps"] > 0 ? Int(values["schedule-steps"]) : max(usual, 1) }
    switch kind {
    case .constant, .hypergradient: return 1
    case .linear: return mix(1 - course)
    case .exponential: return pow(values["schedule-factor"], Double(k) / Double(steps(stepsPerEpoch)))
    case .step: return pow(values["schedule-factor"], Double(k / steps((total + 2) / 3)))
    case .cosine:
      var (position, period) = (k, steps(Int(left)))
      if values["schedule-growth"] == 1 {
        position %= period
      } else {
        while position >= period {
          position -= period
          period = Int((Double(period) * values["schedule-growth"]).rounded())
        }
      }
      return mix((1 + cos(.pi * Double(position) / Double(period))) / 2)
    case .polynomial: return mix(pow(1 - course, values["schedule-power"]))
    case .inverseSquareRoot:
      let reached = max(warmup, 1)
      return (Double(reached) / Double(max(k + warmup + 1, reached))).squareRoot()
    case .plateau: return state.plateau.factor
    }
  }

  /// Takes in a test loss.
  package func evaluated(_ loss: Double, _ state: inout OptimizerState) {
    guard kind == .plateau else { return }
    if state.plateau.best.map({ loss < $0 * (1 - values["plateau-threshold"]) }) ?? true {
      state.plateau.best = loss
      state.plateau.bad = 0
    } else {
      state.plateau.bad += 1
      if state.plateau.bad > Int(values["plateau-patience"]) {
        state.plateau.factor *= values["schedule-factor"]
        state.plateau.bad = 0
      }
    }
  }
}
