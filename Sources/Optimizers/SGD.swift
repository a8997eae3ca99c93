public import Kernels

/// Stochastic gradient descent: H. Robbins & S. Monro, "A Stochastic Approximation Method", Ann. Math. Statist. 22, 1951.
///
///     θₜ = θₜ₋₁ − η gₜ
///
/// With `--schedule hypergradient` (A. G. Baydin et al., "Online Learning Rate Adaptation with Hypergradient Descent",
/// ICLR 2018, Algorithm 4) η follows its own gradient, ∂L(θₜ₋₁)/∂η = −gₜ · gₜ₋₁:
///
///     ηₜ = max(0, ηₜ₋₁ + κ gₜ · gₜ₋₁)
public struct SGD: UpdateRule {
  /// `sgd`.
  public static let name = "sgd"
  /// In short.
  public static let equations = "θ ← θ − η g"
  /// Where from.
  public static let paper = "Robbins & Monro 1951"
  /// η.
  public static let hyperparameters = [Hyperparameter("learning-rate", default: 0.01, .positive)]
  /// Baydin et al.'s SGD-HD.
  public static let hasHypergradient = true

  private let hypergradientRate: Double?

  /// A rule with these values.
  public init(_ values: HyperparameterValues) {
    hypergradientRate = values.ifGiven("hypergradient-rate")
  }

  /// None, or gₜ₋₁ for the hypergradient.
  public var slots: [String] { hypergradientRate == nil ? [] : ["last-gradient"] }

  /// gₜ · gₜ₋₁.
  public var sums: RuleSums { hypergradientRate == nil ? .none : .overall(1) }

  /// Adds to gₜ · gₜ₋₁, and keeps gₜ in its place.
  public func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addGradientProducts(range.vectors, range.slots[0].readOnly)
    for i in range.vectors.parameters.indices { range.slots[0][i] = Float(range.vectors.gradient(i)) }
  }

  /// Moves η.
  public func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {
    state.followHypergradient(sums[0], rate: hypergradientRate, &step)
  }

  /// The fused kernel.
  public func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.vectors.gradientDescent(rate: step.learningRate)
  }

  /// The equation above.
  public func reference(_ range: UpdateRange, _ step: UpdateStep) {
    range.each { i, g in range.vectors.move(i, by: step.learningRate * g) }
  }
}
