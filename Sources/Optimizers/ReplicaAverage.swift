package import Kernels
internal import Schema

/// What a round of local steps makes of the parameters, the statistics and the rule's slots. With the sum Σ of the
/// replicas' changes, each start − end times the replica's examples, and W, the round's examples:
///
///     Δ = Σ / W
///     θ ← θ − Δ                                  the mean of the replicas
///     u ← μ u + Δ;  θ ← θ − α (Δ + μ u)          with an outer step: Nesterov's, as in DiLoCo
///
/// (A. Douillard et al., arXiv 2311.08105, 2023, Algorithm 1.) Statistics and slots always become the mean.
package struct ReplicaAverage: Sendable {
  private let outer: (momentum: Double, rate: Double)?
  /// For each slot of the rule, whether its values are never negative.
  private let areSquares: [Bool]

  /// Nil without local steps.
  init?(_ settings: OptimizerSettings, _ rule: any UpdateRule) {
    guard settings.localSteps != nil else { return nil }
    outer = settings.values.ifGiven("outer-learning-rate").map { (settings.values["outer-momentum"], $0) }
    areSquares = rule.slots.map { rule.squares.contains($0) }
  }

  /// The names of its own slots.
  package var slots: [String] { outer == nil ? [] : ["outer-velocity"] }

  /// Moves a range of parameters.
  ///
  /// - Parameters:
  ///   - velocity: of the outer step, if there is one; is written.
  ///   - before: the distance, in values, to the velocity before the round.
  package func move(
    _ parameters: Floats, by sum: Floats, weight: Double, velocity: MutableFloats?, before: Int,
    into updated: MutableFloats
  ) {
    var vectors = UpdateVectors(parameters: parameters, gradientSum: sum, updated: updated, scale: 1 / weight)
    guard let outer, let velocity else { return vectors.gradientDescent(rate: 1) }
    vectors.before = before
    vectors.nesterov(velocity, momentum: outer.momentum, rate: outer.rate)
  }

  /// Averages a range of statistics, or of the rule's slot of this index. Where rounding would make a mean of squares
  /// negative, it is 0.
  package func average(_ values: Floats, by sum: Floats, weight: Double, slot: Int?, into updated: MutableFloats) {
    UpdateVectors(parameters: values, gradientSum: sum, updated: updated, scale: 1 / weight).gradientDescent(rate: 1)
    if let slot, areSquares[slot] { activate(.relu, updated.readOnly, into: updated) }
  }
}
