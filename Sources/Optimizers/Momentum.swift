internal import Kernels

/// Momentum, the heavy ball: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Comp.
/// Math. 4, 1964; written with a velocity of gradients as in I. Sutskever et al., ICML 2013:
///
///     uₜ = μ uₜ₋₁ + (1 − τ) gₜ
///     θₜ = θₜ₋₁ − η uₜ
///
/// τ, the dampening, is PyTorch's, but here it counts in the first step too: u₀ is 0.
public struct Momentum: UpdateRule {
  /// `momentum`.
  public static let name = "momentum"
  /// In short.
  public static let equations = "u ← μu + (1−τ)g; θ ← θ − η u"
  /// Where from.
  public static let paper = "Polyak 1964"
  /// η, μ, τ.
  public static let hyperparameters = [
    Hyperparameter("learning-rate", default: 0.01, .positive), Hyperparameter("momentum", default: 0.9, .fraction),
    Hyperparameter("dampening", default: 0, .fraction),
  ]
  /// u.
  public let slots = ["velocity"]

  /// As its kernels do.
  public static let writesSlotsBeside = true

  private let momentum, dampening: Double

  /// A rule with these values.
  public init(_ values: HyperparameterValues) {
    momentum = values["momentum"]
    dampening = values["dampening"]
  }

  /// The fused kernel.
  public func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.momentum(
      range.slots[0], momentum: momentum, gradientShare: 1 - dampening, rate: step.learningRate)
  }

  /// The equations above.
  public func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let velocity = range.slots[0]
    range.each { i, g in
      let u = momentum * Double(velocity[i]) + (1 - dampening) * g
      velocity[i] = Float(u)
      range.vectors.move(i, by: step.learningRate * u)
    }
  }
}
