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

  /// Whether the derivative needs the input, not only the output.
  package var keepsInput: Bool { self == .gelu }

  var kernel: lk_activation {
    switch self {
    case .relu: LK_RELU
    case .tanh: LK_TANH
    case .sigmoid: LK_SIGMOID
    case .gelu: LK_GELU
    }
  }
}
