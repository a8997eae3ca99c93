internal import Datasets
package import Kernels
internal import Schema

/// Linear layers with an activation between them; without hidden layers, a linear model.
///
/// Tensors are named as in PyTorch's `Sequential(Linear, activation, Linear, …)`: `0.weight`, `0.bias`, `2.weight`, …
package struct MultilayerPerceptron: LayerOfParts {
  private let layers: Sequential
  var parts: [(name: String?, part: Any)] { [(nil, layers)] }

  /// Training drops hidden activations with the probability `dropout`.
  ///
  /// - Parameter initial: of hidden layers; nil for those of Glorot & Bengio with tanh and sigmoid, and of He et al. else.
  package init(
    hidden: [Int], outputs: Int, activation: Activation, dropout: Double = 0, initial: InitialWeights? = nil
  ) {
    layers = Sequential {
      for size in hidden {
        Linear(size, initial: initial ?? (activation == .tanh || activation == .sigmoid ? .glorot : .he))
        Sequential {
          ActivationLayer(activation: activation)
          Dropout(dropout)
        }
      }
      Linear(outputs, initial: .glorot)
    }
  }

  package func callAsFunction(_ x: Tensor) -> Tensor { layers(x.reshaped(x.count)) }
}

extension MultilayerPerceptron {
  private static let hiddenSizes = 1...1 << 20

  static let factory = ModelFactory(
    "mlp",
    options: [
      .sizes("hidden", default: [256, 128], hiddenSizes, "The sizes of the hidden layers, as in mlp:256,128."),
      .choice(
        "activation", default: Activation.relu.rawValue, Activation.allCases.map(\.rawValue),
        "Between layers: relu, tanh, sigmoid, gelu, silu, gelu-tanh."),
      .loss,
      .real(
        "dropout", default: 0, .fraction, valueName: "share",
        "The share of hidden values that training drops, the same ones on every worker."),
    ], argument: "hidden",
    layer: { request in
      MultilayerPerceptron(
        hidden: request.options.sizes("hidden"), outputs: request.target.outputs,
        activation: Activation(rawValue: request.options.text("activation")) ?? .relu,
        dropout: request.options["dropout"], initial: request.isTable ? .glorot : nil)
    })

  /// Has no hidden layer.
  static let linear = ModelFactory(
    "linear", layer: { MultilayerPerceptron(hidden: [], outputs: $0.target.outputs, activation: .relu) })
}
