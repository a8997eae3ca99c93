/// A symbolic value of a forward pass: what a model's layers and operations take and return.
///
/// A forward pass runs once, when the model is made, and records its operations. So it may branch on shapes and options,
/// but there are no numbers in it to branch on.
public struct Tensor {
  /// The sizes for one example, row-major. Images are height × width × channels, texts positions × width; a table's row
  /// and a text's token numbers have one size.
  public let shape: [Int]
  let recorder: Recorder
  /// The value's index in the record.
  let index: Int

  /// The number of values of one example.
  public var count: Int { shape.reduce(1, *) }

  /// The result of `operation` on this tensor and `others`.
  ///
  /// - Parameter layer: the layer whose parameters the operation uses; nil if it has none.
  public func applying(
    _ operation: some TensorOperation, to others: Tensor..., of layer: LayerIdentity? = nil
  ) -> Tensor {
    recorder.record(operation, [self] + others, layer)
  }
}

/// A shape that does not fit an operation.
public struct ShapeError: Error, CustomStringConvertible {
  /// A phrase that follows the layer's name and a colon.
  public let description: String

  /// An error with this phrase, such as "expects images, got 784".
  public init(_ description: String) {
    self.description = description
  }
}

extension [Int] {
  /// Such as 28×28×1.
  var sizes: String { map(String.init).joined(separator: "×") }
}
