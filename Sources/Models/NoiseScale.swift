package import Datasets
package import Kernels
package import Schema

/// A model that also measures how much the gradients of micro-batches differ: S. McCandlish et al., "An Empirical Model of
/// Large-Batch Training", arXiv 1812.06162, 2018, section 2.2 and appendix A.1, for micro-batches of any weights.
///
/// With the gradient gᵢ of micro-batch i, summed over its weight wᵢ, their sum g over W, and L micro-batches:
///
///     A = Σ |gᵢ|² / wᵢ,   S = |g|² / W
///     tr Σ = (A − S) / (L − 1)                 the variance of an example's gradient
///     |G|² = (S − tr Σ) / W                    the square of the true gradient
///     B = tr Σ / |G|²                          the noise scale, in examples
///
/// are unbiased, but for B. Over several steps A, S, L, W and 1 are summed first. A and L are sums over micro-batches, so
/// that they do not depend on who computes which; the coordinator adds S.
package struct NoiseMeasured<Base: Model>: Model, NoiseMeasuring {
  package let base: Base

  /// `base` and the noise scale.
  package init(_ base: Base) {
    precondition(base.metrics.sums.count + NoiseScale.sums.count <= MetricSchema.mostSums, "too many sums")
    self.base = base
  }

  package var layout: ParameterLayout { base.layout }
  package var leastExamples: Int { base.leastExamples }
  package var metrics: MetricSchema { base.metrics.adding(NoiseScale.sums, figures: NoiseScale.figures) }
  package var plain: any Model { base }

  package func initialize(_ parameters: MutableFloats, seed: UInt64) { base.initialize(parameters, seed: seed) }

  package func makeWorkspace() -> Base.Workspace { base.makeWorkspace() }

  package func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Base.Workspace
  ) -> Metrics {
    var metrics = base.gradient(of: batch, at: parameters, into: gradient, using: &workspace)
    var squares = OrderedSum()
    squares.addSquares(gradient.readOnly[0..<layout.parameterCount])
    metrics.sums += metrics.weight > 0 ? [squares.value / metrics.weight, 1, 0, 0] : [0, 0, 0, 0]
    return metrics
  }

  package func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Base.Workspace) -> Metrics {
    var metrics = base.evaluate(batch, at: parameters, using: &workspace)
    metrics.sums += [0, 0, 0, 0]
    return metrics
  }
}

/// A ``NoiseMeasured`` of any model.
package protocol NoiseMeasuring: Model {
  /// The model without the measurement.
  var plain: any Model { get }
}

extension Model {
  /// This model, measuring the noise scale too.
  package var measuringNoise: any Model { NoiseMeasured(self) }

  /// This as a network of layers, whatever else is measured of it; nil if it is none.
  package var network: Network? { self as? Network ?? (self as? any NoiseMeasuring)?.plain as? Network }
}

/// The sums and figures of ``NoiseMeasured``.
package enum NoiseScale {
  /// A, L, S, and 1 a step.
  static let sums = ["noise_squares", "noise_leaves", "noise_root", "noise_steps"]

  /// Adds what the coordinator knows of a step to its sums.
  ///
  /// - Parameters:
  ///   - squares: |g|².
  ///   - weight: W.
  package static func complete(_ sums: inout [Double], squares: Double, weight: Double) {
    sums[sums.count - 2] = squares / weight
    sums[sums.count - 1] = 1
  }

  static let figures = [
    Figure("gradient_norm", title: "gradient norm") { sums in
      sums["noise_steps"] > 0 ? (sums["noise_root"] / sums.weight).squareRoot() : nil
    },
    Figure("noise_scale", title: "noise scale") { sums in
      let (leaves, steps, root) = (sums["noise_leaves"], sums["noise_steps"], sums["noise_root"])
      guard steps > 0, leaves > steps else { return nil }
      let variance = (sums["noise_squares"] - root) / (leaves - steps)
      let square = (root - steps * variance) / sums.weight
      return square > 0 ? max(variance, 0) / square : nil
    },
  ]
}
