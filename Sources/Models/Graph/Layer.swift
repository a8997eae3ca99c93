internal import Synchronization

/// A part of a model, or a whole one: a value that holds sizes, not parameters, and says how its output is computed.
///
/// A layer of one's own is a struct of layers with a forward pass:
///
/// ```swift
/// struct Classifier: Layer {
///   let hidden = Linear(128), output = Linear(10)
///   func callAsFunction(_ x: Tensor) -> Tensor { output(relu(hidden(x))) }
/// }
/// ```
///
/// Parameters are named after the properties, as in PyTorch: `hidden.weight`, `blocks.0.norm.bias`.
public protocol Layer: Sendable {
  /// The forward pass for one example.
  func callAsFunction(_ x: Tensor) -> Tensor
}

/// What distinguishes a layer with parameters from others of the same sizes. Made with the layer, copied with it.
public struct LayerIdentity: Hashable, Sendable {
  private static let count = Atomic<Int>(0)
  private let number: Int

  /// An identity that no other layer has.
  public init() {
    number = LayerIdentity.count.add(1, ordering: .relaxed).newValue
  }
}

/// A layer that may be used at several places of a model, with the same parameters.
///
/// The parameters have the name of the first place.
public struct Tied<Shared: Layer>: LayerOfParts {
  let layer: Shared
  var parts: [(name: String?, part: Any)] { [(nil, layer)] }
  var isTied: Bool { true }

  /// The layer's forward pass.
  public func callAsFunction(_ x: Tensor) -> Tensor { layer(x) }
}

/// `layer`, for use at several places of a model with the same parameters. Without it that is an error.
public func tied<Shared: Layer>(_ layer: Shared) -> Tied<Shared> { Tied(layer: layer) }

/// Layers that follow each other, named `0`, `1`, … as in PyTorch's `Sequential`.
///
/// ```swift
/// Sequential {
///   Conv2D(6, kernel: 5, padding: .same)
///   ReLU()
///   MaxPool(2)
/// }
/// ```
public struct Sequential: LayerOfParts {
  let layers: [any Layer]
  var parts: [(name: String?, part: Any)] { layers.enumerated().map { ("\($0)", $1) } }

  /// The layers that `content` lists.
  public init(@LayerBuilder _ content: () -> [any Layer]) { layers = content() }

  /// The layers one after the other.
  public func callAsFunction(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
}

/// Collects the layers of a ``Sequential``.
@resultBuilder public enum LayerBuilder {
  /// One layer.
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  /// The layers of several statements.
  public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
  /// The layers of a loop.
  public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
  /// The layers of an `if` without `else`.
  public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
  /// The layers of an `if`.
  public static func buildEither(first: [any Layer]) -> [any Layer] { first }
  /// The layers of an `else`.
  public static func buildEither(second: [any Layer]) -> [any Layer] { second }
}
