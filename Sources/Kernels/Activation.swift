internal import CKernels

/// The function after a linear layer.
package enum Activation: String, Codable, Sendable, CaseIterable {
  /// max(0, x).
  case relu
  /// The hyperbolic tangent.
  case tanh
  /// 1 / (1 + e^−x).
  case sigmoid
  /// x·Φ(x), the exact form (Hendrycks & Gimpel 2016).
  case gelu
  /// x / (1 + e^−x) (Hendrycks & Gimpel 2016; also called swish).
  case silu
  /// x·(1 + tanh(√(2 / π)·(x + 0.044715·x³))) / 2, the approximation of GELU (Hendrycks & Gimpel 2016).
  case geluTanh = "gelu-tanh"

  /// Whether the derivative needs the input, not only the output.
  package var keepsInput: Bool { self == .gelu || self == .silu || self == .geluTanh }

  var kernel: lk_activation {
    switch self {
    case .relu: LK_RELU
    case .tanh: LK_TANH
    case .sigmoid: LK_SIGMOID
    case .gelu: LK_GELU
    case .silu: LK_SILU
    case .geluTanh: LK_GELU_TANH
    }
  }
}

/// `output` = activation(`input`). Both may be the same memory.
package func activate(_ activation: Activation, _ input: Floats, into output: MutableFloats) {
  precondition(input.count == output.count, "\(input.count) values into \(output.count)")
  kernels.activation_forward(output.base, input.base, input.count, activation.kernel)
}

/// `inputGradients` = `outputGradients` · the derivative. Both may be the same memory.
///
/// - Parameter kept: the activation's input if ``Activation/keepsInput``, otherwise its output.
package func activationGradient(
  _ activation: Activation, kept: Floats, outputGradients: Floats, into inputGradients: MutableFloats
) {
  let count = inputGradients.count
  precondition(
    kept.count == count && outputGradients.count == count,
    "\(outputGradients.count) gradients of \(kept.count) values into \(count)")
  kernels.activation_gradient(inputGradients.base, outputGradients.base, kept.base, count, activation.kernel)
}
