public import Datasets
public import Schema

/// What a model is made for: its options, and the data's shape.
public struct ModelRequest: Sendable {
  /// The most classes or output columns that make sense.
  package static let mostOutputs = 1 << 20

  /// The shape of an example, such as 28×28×1; empty without data.
  public var shape: [Int]
  /// What is to be predicted.
  public var target: Target
  /// What training makes small, for models that have the option ``OptionDeclaration/loss``.
  public var loss: any Loss
  /// The values of the model's options.
  public var options: OptionValues

  /// How many numbers describe an example.
  public var inputs: Int { shape.isEmpty ? 0 : shape.reduce(1, *) }

  /// A request; see the properties.
  public init(shape: [Int], target: Target, loss: any Loss, options: OptionValues) {
    (self.shape, self.target, self.loss, self.options) = (shape, target, loss, options)
  }
}

/// Why a model cannot be made.
public struct ModelError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  public let description: String

  /// An error with its sentence.
  public init(_ description: String) {
    self.description = description
  }
}

/// A kind of model under the name that `--model` gives it, with options of its own.
public struct ModelFactory: Sendable {
  /// What `--model` can name, with its options.
  public let alternative: Alternative
  /// Makes the model, or throws a ``ModelError`` that says what is wrong with the request.
  public let make: @Sendable (ModelRequest) throws -> any Model

  /// The name, without a colon.
  public var name: String { alternative.name }

  /// A kind of model.
  ///
  /// - Parameters:
  ///   - options: flags, help and keys in job files follow from them.
  ///   - argument: the option that the text after a colon sets, as in `mlp:256,128`.
  public init(
    _ name: String, options: [OptionDeclaration] = [], argument: String? = nil,
    make: @escaping @Sendable (ModelRequest) throws -> any Model
  ) {
    alternative = Alternative(name, options: options, argument: argument)
    self.make = make
  }

  /// `mlp:256,128`, `linear` for no hidden layer, and `quadratic:10,10`, which needs no data.
  package static let builtIn = [MultilayerPerceptron.factory, MultilayerPerceptron.linear, Quadratic.factory]
}

/// The kinds of models that this program knows.
package enum ModelKinds {
  /// Those that come with the trainer, and those that a program has added.
  package static let registry = Registry<ModelFactory>(ModelFactory.builtIn) { $0.name }
}

extension [ModelFactory] {
  /// What `--model` can name.
  package var selector: OptionSelector { OptionSelector("model", map(\.alternative)) }

  /// Makes a model of the kind called `name`.
  ///
  /// - Throws: ``ModelError`` where no kind has that name, or the kind refuses the request.
  package func make(_ name: String, _ request: ModelRequest) throws -> any Model {
    guard let factory = first(where: { $0.name == name }) else { throw unknown(name) }
    return try factory.make(request)
  }

  /// Says that no kind is called `name`.
  package func unknown(_ name: String) -> ModelError {
    let known = map(\.name)
    return ModelError(
      "--model \(name): unknown model '\(name)'; known are \(known.joined(separator: ", "))\(suggestion(name, known))")
  }
}
