package import Datasets

/// What a model is made for: the job's model options, and the data's shape.
package struct ModelRequest: Equatable, Sendable {
  /// The most classes or output columns that make sense.
  package static let mostOutputs = 1 << 20

  /// What stands after the colon of `--model name:…`; empty without one.
  package var arguments: String
  /// How many numbers describe an example; 0 without data.
  package var inputs: Int
  /// What is to be predicted; ``Target/nothing`` without data.
  package var target: Target
  /// The job's activation.
  package var activation: Activation
  /// The job's loss; means nothing without data.
  package var loss: Loss
  /// The share of hidden values that training drops.
  package var dropout: Double

  /// A request; see the properties.
  package init(arguments: String, inputs: Int, target: Target, activation: Activation, loss: Loss, dropout: Double = 0)
  {
    self.arguments = arguments
    self.inputs = inputs
    self.target = target
    self.activation = activation
    self.loss = loss
    self.dropout = dropout
  }
}

/// Why a model cannot be made.
package struct ModelError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  package let description: String

  /// An error with its sentence.
  package init(_ description: String) {
    self.description = description
  }
}

/// A kind of model under the name that `--model` gives it.
package struct ModelFactory: Sendable {
  /// The name, without a colon.
  package let name: String
  /// Makes the model, or throws a ``ModelError`` that says what is wrong with the request.
  package let make: @Sendable (ModelRequest) throws -> any Model

  /// A kind of model.
  package init(_ name: String, make: @escaping @Sendable (ModelRequest) throws -> any Model) {
    self.name = name
    self.make = make
  }

  /// `mlp:256,128`, `linear` for no hidden layer, and `quadratic:10,10`, which needs no data.
  package static let builtIn: [ModelFactory] = [
    ModelFactory("mlp") { request in
      try request.requireData("mlp")
      return try MultilayerPerceptron(request, hidden: hiddenSizes(request.arguments))
    },
    ModelFactory("linear") { request in
      try request.requireData("linear")
      guard request.arguments.isEmpty else {
        throw ModelError("--model linear has no hidden sizes; for those, say --model mlp:\(request.arguments)")
      }
      return try MultilayerPerceptron(request, hidden: [])
    },
    ModelFactory("quadratic") { request in try Quadratic(request) },
  ]

  private static func hiddenSizes(_ arguments: String) throws -> [Int] {
    try arguments.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let size = Int(text), size >= 1, size <= 1 << 20 else {
        throw ModelError(
          "--model mlp:\(arguments): '\(text)' is no hidden size; sizes are whole numbers from 1 to \(1 << 20), as in mlp:256,128"
        )
      }
      return size
    }
  }
}

extension ModelRequest {
  fileprivate func requireData(_ name: String) throws {
    guard target != .nothing else {
      throw ModelError(
        "--model \(name) learns from data, and --data is none: give --data, or a model without data, such as --model quadratic:10,10"
      )
    }
  }
}

extension MultilayerPerceptron {
  /// The perceptron that a request describes.
  ///
  /// - Throws: ``ModelError`` where it would have more parameters than the protocol can address.
  init(_ request: ModelRequest, hidden: [Int]) throws {
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
      inputs: request.inputs, hidden: hidden, outputs: request.target.outputs, activation: request.activation,
      loss: request.loss, dropout: request.dropout)
  }
}

extension [ModelFactory] {
  /// Makes the model that `specification`, such as `mlp:256,128`, names.
  ///
  /// - Throws: ``ModelError`` where no kind has that name, or the kind refuses the request.
  package func make(_ specification: String, _ request: ModelRequest) throws -> any Model {
    let parts = specification.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let factory = first(where: { $0.name == parts[0] }) else {
      throw ModelError(
        "--model \(specification): unknown model '\(parts[0])'; known are \(map(\.name).joined(separator: ", "))")
    }
    var request = request
    request.arguments = parts.count > 1 ? String(parts[1]) : ""
    return try factory.make(request)
  }
}
