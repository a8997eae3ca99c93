internal import Datasets
internal import Kernels
internal import Schema

extension MultilayerPerceptron {
  private static let hiddenSizes = 1...1 << 20

  static let factory = ModelFactory(
    "mlp",
    options: [
      .sizes("hidden", default: [256, 128], hiddenSizes, "The sizes of the hidden layers, as in mlp:256,128."),
      .choice(
        "activation", default: Activation.relu.rawValue, Activation.allCases.map(\.rawValue),
        "Between layers: relu, tanh, sigmoid or gelu."),
      .loss,
      .real(
        "dropout", default: 0, .fraction, valueName: "share",
        "The share of hidden values that training drops, the same ones on every worker."),
    ], argument: "hidden"
  ) { request in
    try MultilayerPerceptron(
      request, "mlp", hidden: request.options.sizes("hidden"),
      activation: Activation(rawValue: request.options.text("activation")) ?? .relu, dropout: request.options["dropout"]
    )
  }

  /// Has no hidden layer.
  static let linear = ModelFactory("linear", options: [.loss]) {
    try MultilayerPerceptron($0, "linear", hidden: [], activation: .relu, dropout: 0)
  }

  /// - Throws: ``ModelError`` without data, or if it would have more parameters than the protocol can address.
  private init(_ request: ModelRequest, _ name: String, hidden: [Int], activation: Activation, dropout: Double) throws {
    guard request.target.outputs > 0 else {
      throw ModelError(
        "--model \(name) learns from data, and --data is none: give --data, or a model without data, such as --model quadratic:10,10"
      )
    }
    let sizes = [request.inputs] + hidden + [request.target.outputs]
    let mostParameters = 1 << 34
    var count = 0
    for (inputs, outputs) in zip(sizes, sizes.dropFirst()) {
      let (weights, overflow) = inputs.multipliedReportingOverflow(by: outputs)
      guard inputs >= 1, outputs >= 1, !overflow, weights <= mostParameters, count + weights + outputs <= mostParameters
      else {
        throw ModelError(
          "--model: \(sizes.map(String.init).joined(separator: "-")) is no perceptron of 1 to \(mostParameters) parameters"
        )
      }
      count += weights + outputs
    }
    self.init(
      inputs: request.inputs, hidden: hidden, outputs: request.target.outputs, positions: request.target.positions,
      activation: activation, loss: request.loss, dropout: dropout)
  }
}
