internal import Kernels

/// max(0, x).
public func relu(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .relu)) }
/// The hyperbolic tangent.
public func tanh(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .tanh)) }
/// 1 / (1 + e^−x).
public func sigmoid(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .sigmoid)) }
/// x·Φ(x) with the normal distribution's Φ (Hendrycks & Gimpel 2016).
public func gelu(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .gelu)) }

/// x / (1 + e^−x), also called swish (Hendrycks & Gimpel 2016).
public func silu(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .silu)) }
/// The approximation of ``gelu(_:)`` by tanh, GPT-2's.
public func geluTanh(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .geluTanh)) }

/// ``relu(_:)`` as a layer.
public struct ReLU: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { relu(x) }
}

/// ``tanh(_:)`` as a layer.
public struct Tanh: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { tanh(x) }
}

/// ``sigmoid(_:)`` as a layer.
public struct Sigmoid: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { sigmoid(x) }
}

/// ``gelu(_:)`` as a layer.
public struct GELU: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { gelu(x) }
}

/// ``silu(_:)`` as a layer.
public struct SiLU: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { silu(x) }
}

/// ``geluTanh(_:)`` as a layer.
public struct GELUTanh: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { geluTanh(x) }
}

/// Any activation as a layer.
struct ActivationLayer: Layer {
  let activation: Activation

  func callAsFunction(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: activation)) }
}

/// A function of each value, where it is not fused with the operation before it.
struct ActivationOperation: TensorOperation {
  let activation: Activation
  /// Whether the operation that reads the output multiplies its gradient by the derivative.
  var isFinished = false

  var name: String { activation.rawValue }
  var backwardReads: BackwardReads { isFinished ? [] : activation.keepsInput ? .inputs : .output }
  var sharing: StorageSharing { [.output, isFinished ? .gradientIsOutputGradient : .gradient] }

  func outputShape(_ inputs: [[Int]]) -> [Int] { inputs[0] }

  func forward(_ pass: ForwardPass) { activate(activation, pass.input(0), into: pass.output) }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    activationGradient(
      activation, kept: activation.keepsInput ? pass.input(0) : pass.output, outputGradients: pass.outputGradient,
      into: inputGradient)
  }
}
