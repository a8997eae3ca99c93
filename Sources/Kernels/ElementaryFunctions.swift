internal import CKernels

/// Elementary functions with the same bits on every processor, which those of the system's library have not. Each is
/// within one unit in the last place; ``powerOf(_:_:)`` within two.
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

  /// `output`[i] = the function of `input`[i]. Within about two units in the last place.
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
