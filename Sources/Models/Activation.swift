internal import Kernels

/// The function between a perceptron's layers.
package enum Activation: String, Codable, Sendable, CaseIterable {
  /// max(0, x).
  case relu
  /// The hyperbolic tangent.
  case tanh
  /// 1 / (1 + e^−x).
  case sigmoid
  /// x·Φ(x), the exact form.
  case gelu

  /// The half-width of the uniform distribution that weights are drawn from: He et al. 2015 for ReLU and GELU, Glorot &
  /// Bengio 2010 for tanh and sigmoid.
  func initialBound(inputs: Int, outputs: Int) -> Float {
    switch self {
    case .relu, .gelu: (6 / Float(inputs)).squareRoot()
    case .tanh, .sigmoid: (6 / Float(inputs + outputs)).squareRoot()
    }
  }

  /// Whether the derivative needs the input, not only the output.
  var keepsInput: Bool { self == .gelu }

  /// `values` += `bias`, then the activation: into `activated` if ``keepsInput``, otherwise in place.
  func apply(bias: Floats, _ values: MutableFloats, activated: MutableFloats) {
    switch self {
    case .relu: biasReLU(bias, values)
    case .tanh: biasTanh(bias, values)
    case .sigmoid: biasSigmoid(bias, values)
    case .gelu: biasGELU(bias, values, activated: activated)
    }
  }

  /// `gradient` *= the derivative. `kept` is the input if ``keepsInput``, otherwise the output.
  func multiplyByDerivative(_ gradient: MutableFloats, kept: Floats) {
    switch self {
    case .relu: multiplyByReLUDerivative(gradient, activated: kept)
    case .tanh: multiplyByTanhDerivative(gradient, activated: kept)
    case .sigmoid: multiplyBySigmoidDerivative(gradient, activated: kept)
    case .gelu: multiplyByGELUDerivative(gradient, input: kept)
    }
  }
}
