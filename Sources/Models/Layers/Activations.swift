internal import Kernels

/// max(0, x).
public func relu(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .relu)) }
/// The hyperbolic tangent.
public func tanh(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .tanh)) }
/// 1 / (1 + e^−x).
public func sigmoid(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .sigmoid)) }
/// x·Φ(x) with the normal distribution's Φ (Hendrycks & Gimpel 2016).
public func gelu(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: .gelu)) }

/// ``relu(_:)`` as a layer.
public struct ReLU: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { relu(x) }
}

/// Any activation as a layer.
struct ActivationLayer: Layer {
  let activation: Activation

  func callAsFunction(_ x: Tensor) -> Tensor { x.applying(ActivationOperation(activation: activation)) }
}

/// A function of each value. It has no gradient of its own where it is fused with the operation before it.
struct ActivationOperation: Operation {
  let activation: Activation

  var name: String { activation.rawValue }
  var backwardReads: BackwardReads { activation.keepsInput ? .inputs : .output }
  var sharing: StorageSharing { [.output, .gradient] }

  func outputShape(_ inputs: [[Int]]) -> [Int] { inputs[0] }

  func forward(_ pass: ForwardPass) { activate(activation, pass.input(0), into: pass.output) }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    activationGradient(
      activation, kept: activation.keepsInput ? pass.input(0) : pass.output, outputGradients: pass.outputGradient,
      into: inputGradient)
  }
}
