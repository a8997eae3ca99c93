internal import Kernels

extension Activation {
  /// The half-width of the uniform distribution that weights are drawn from: He et al. 2015 for ReLU and GELU, Glorot &
  /// Bengio 2010 for tanh and sigmoid.
  func initialBound(inputs: Int, outputs: Int) -> Float {
    switch self {
    case .relu, .gelu: (6 / Float(inputs)).squareRoot()
    case .tanh, .sigmoid: (6 / Float(inputs + outputs)).squareRoot()
    }
  }
}
