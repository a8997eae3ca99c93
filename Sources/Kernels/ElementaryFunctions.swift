internal import CKernels

/// Elementary functions. They give the same bits on every processor; those of the system's library do not. Errors are at
/// most 1.1 units in the last place.
package enum Elementary {
  /// eˣ.
  package static func exponential(_ x: Double) -> Double { kernels.exponential(x) }

  /// log x; NaN below 0.
  package static func logarithm(_ x: Double) -> Double { kernels.logarithm(x) }

  /// `base` to the power `exponent`; NaN for a negative base.
  package static func power(_ base: Double, _ exponent: Double) -> Double { kernels.power(base, exponent) }

  /// sin πx.
  package static func sineOfPi(_ x: Double) -> Double {
    precondition(abs(x) <= 0x1p30, "sin of \(x) π")
    return kernels.sine_of_pi(x)
  }

  /// cos πx.
  package static func cosineOfPi(_ x: Double) -> Double {
    precondition(abs(x) <= 0x1p30, "cos of \(x) π")
    return kernels.cosine_of_pi(x)
  }

  /// A function of each value of an array.
  package enum Map: CaseIterable { case exponential, sigmoid, hyperbolicTangent, gelu, geluDerivative }

  /// `output`[i] = the function of `input`[i]. The guide's page Numerics lists the errors.
  package static func map(_ function: Map, _ input: Floats, into output: MutableFloats) {
    precondition(input.count == output.count)
    switch function {
    case .exponential: kernels.exponentials(output.base, input.base, input.count)
    case .sigmoid: kernels.sigmoids(output.base, input.base, input.count)
    case .hyperbolicTangent: kernels.hyperbolic_tangents(output.base, input.base, input.count)
    case .gelu: kernels.gelus(output.base, input.base, input.count)
    case .geluDerivative: kernels.gelu_derivatives(output.base, input.base, input.count)
    }
  }
}
