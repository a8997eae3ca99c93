/// The state of an optimizer besides parameters and slots. Checkpoints hold it.
public struct OptimizerState: Codable, Equatable, Sendable {
  /// The number of completed updates.
  public var updates = 0
  /// The last η with `--schedule hypergradient`, otherwise nil.
  public var learningRate: Double?
  /// The last λ with `--blend auto`, otherwise nil.
  public var lambda: Double?
  /// The state of the plateau schedule.
  public var plateau = Plateau()
  /// Of a rule that averages the parameters by weights of its own, otherwise nil.
  public var averaged: AveragedSteps?

  /// The state before the first update.
  public init() {}

  /// What the plateau schedule needs to know of earlier evaluations.
  public struct Plateau: Codable, Equatable, Sendable {
    /// The smallest loss of an evaluation; nil before the first evaluation.
    public var best: Double?
    /// The number of evaluations since ``best``, or since the last reduction.
    public var bad = 0
    /// The product of all reductions so far.
    public var factor = 1.0
  }

  /// The weights of the steps in an average.
  public struct AveragedSteps: Codable, Equatable, Sendable {
    /// The sum of the weights so far.
    public var weight = 0.0
    /// The largest η so far.
    public var largestRate = 0.0

    /// None.
    public init() {}
  }

  /// Adds `rate` · `product` to η, where `product` is gₜ · (last update direction) (Baydin et al. 2018, equation 4).
  mutating func followHypergradient(_ product: Double, rate: Double?, _ step: inout UpdateStep) {
    guard let rate else { return }
    let last = learningRate ?? step.learningRate
    step.learningRate = step.number == 1 ? last : max(0, last + rate * product)
    learningRate = step.learningRate
  }
}
