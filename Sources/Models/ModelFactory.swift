public import Datasets
public import Schema

/// What a model is created for: its options, and the shape and targets of the data.
public struct ModelRequest: Sendable {
  /// The largest number of classes or output columns.
  package static let mostOutputs = 1 << 20

  /// The shape of an example, such as 28×28×1; empty without data.
  public var shape: [Int]
  /// What the model should predict.
  public var target: Target
  /// The loss, for models that have the option ``OptionDeclaration/loss``.
  public var loss: any Loss
  /// The values of the model's options.
  public var options: OptionValues
  /// The features that are indices of learned vectors, ascending, with the number of vectors of each.
  package var embedded: [(feature: Int, vectors: Int)] = []
  /// Whether the features are a table's columns, few and noisy, for which small initial weights learn better.
  package var isTable = false

  /// The number of features per example.
  public var inputs: Int { shape.isEmpty ? 0 : shape.reduce(1, *) }

  /// The properties describe the parameters.
  public init(shape: [Int], target: Target, loss: any Loss, options: OptionValues) {
    (self.shape, self.target, self.loss, self.options) = (shape, target, loss, options)
  }
}

/// A model that cannot be created.
public struct ModelError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  public let description: String

  /// An error with this sentence.
  public init(_ description: String) {
    self.description = description
  }
}

/// A kind of model: its name for `--model`, its options, and how to create it.
public struct ModelFactory: Sendable {
  /// The value of `--model`, with its options.
  public let alternative: Alternative
  /// Creates the model. Throws ``ModelError`` if the request is invalid.
  public let make: @Sendable (ModelRequest) throws -> any Model

  /// Whether it is a layer, before which vectors of a table's columns can be put.
  private let isLayer: Bool

  /// The name, without a colon.
  public var name: String { alternative.name }

  /// Creates the model.
  ///
  /// - Throws: ``ModelError`` if the request is invalid.
  package func model(_ request: ModelRequest) throws -> any Model {
    guard isLayer || request.embedded.isEmpty else {
      throw ModelError(
        "--model \(name) takes numbers alone, and the data have columns with many levels: leave those out by --columns, or "
          + "choose a model of layers, such as --model mlp:256,128")
    }
    return try make(request)
  }

  /// - Parameters:
  ///   - options: flags, help and keys in job files follow from them.
  ///   - argument: the option that the text after a colon sets, as in `mlp:256,128`.
  public init(
    _ name: String, options: [OptionDeclaration] = [], argument: String? = nil,
    make: @escaping @Sendable (ModelRequest) throws -> any Model
  ) {
    self.init(name, options, argument, isLayer: false, make)
  }

  private init(
    _ name: String, _ options: [OptionDeclaration], _ argument: String?, isLayer: Bool,
    _ make: @escaping @Sendable (ModelRequest) throws -> any Model
  ) {
    alternative = Alternative(name, options: options, argument: argument)
    (self.isLayer, self.make) = (isLayer, make)
  }

  /// A kind of model that is a layer. It has the option ``OptionDeclaration/loss`` too.
  ///
  /// - Parameters:
  ///   - options: flags, help and keys in job files follow from them.
  ///   - argument: the option that the text after a colon sets, as in `mlp:256,128`.
  ///   - layer: makes the layer. Its output needs ``Target/outputs`` values an example.
  public init(
    _ name: String, options: [OptionDeclaration] = [], argument: String? = nil,
    layer: @escaping @Sendable (ModelRequest) throws -> any Layer
  ) {
    let loss = OptionDeclaration.loss
    let all = options + (options.contains { $0.name == loss.name } ? [] : [loss])
    self.init(name, all, argument, isLayer: true) { request in
      guard request.target.outputs > 0 else {
        throw ModelError(
          "--model \(name) learns from data, and --data is none: give --data, or a model without data, such as "
            + "--model quadratic:10,10")
      }
      do {
        var model = try layer(request)
        if !request.embedded.isEmpty { model = EmbeddedColumns(request.embedded, then: model) }
        return try Network(
          model, input: request.shape, outputs: request.target.outputs, positions: request.target.positions,
          loss: request.loss)
      } catch let error as ModelError {
        throw ModelError("--model \(name): \(error.description)")
      }
    }
  }

  /// `mlp:256,128`, `linear` for no hidden layer, networks for images and text, and `quadratic:10,10`, which needs no
  /// data.
  package static let builtIn = [
    MultilayerPerceptron.factory, MultilayerPerceptron.linear, LeNet.factory, ConvolutionalNetwork.factory,
    ResidualNetwork.factory, Transformer.factory, Quadratic.factory,
  ]
}

package enum ModelKinds {
  /// The built-in kinds, and those that the program has added.
  package static let registry = Registry<ModelFactory>(ModelFactory.builtIn) { $0.name }
}

extension [ModelFactory] {
  /// The values of `--model`, with their options.
  package var selector: OptionSelector { OptionSelector("model", map(\.alternative)) }

  /// Creates a model of the kind called `name`.
  ///
  /// - Throws: ``ModelError`` if no kind has that name, or the request is invalid.
  package func make(_ name: String, _ request: ModelRequest) throws -> any Model {
    guard let factory = first(where: { $0.name == name }) else { throw unknown(name) }
    return try factory.model(request)
  }

  /// The error for an unknown `name`.
  package func unknown(_ name: String) -> ModelError {
    let known = map(\.name)
    return ModelError(
      "--model \(name): unknown model '\(name)'; known are \(known.joined(separator: ", "))\(suggestion(name, known))")
  }
}
