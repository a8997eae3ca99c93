/// What a run has to remember besides parameters and slots; checkpoints carry it.
public struct OptimizerState: Codable, Equatable, Sendable {
  /// Updates done.
  public var updates = 0
  /// η, where it follows its hypergradient.
  public var learningRate: Double?
  /// λ, where a blend's follows its own gradient.
  public var lambda: Double?
  /// The plateau schedule's course.
  public var plateau = Plateau()

  /// Before the first update.
  public init() {}

  /// What the plateau schedule remembers of the evaluations so far.
  public struct Plateau: Codable, Equatable, Sendable {
    /// The smallest test loss; nil before the first evaluation.
    public var best: Double?
    /// Evaluations since then, or since the last reduction.
    public var bad = 0
    /// The product of the reductions.
    public var factor = 1.0
  }

  /// Moves η by `rate` times gₜ · the last direction, `product` (Baydin et al. 2018, equation 4).
  mutating func followHypergradient(_ product: Double, rate: Double?, _ step: inout UpdateStep) {
    guard let rate else { return }
    let last = learningRate ?? step.learningRate
    step.learningRate = step.number == 1 ? last : max(0, last + rate * product)
    learningRate = step.learningRate
  }
}
