/// The position of each tensor in the flat vector that holds all parameters.
///
/// Tensors follow each other without gaps, in the order of their list.
public struct ParameterLayout: Codable, Equatable, Sendable {
  /// One tensor: a name, a shape and a range of the vector.
  public struct Tensor: Codable, Equatable, Sendable {
    /// Its name in checkpoints, such as `0.weight`.
    public let name: String
    /// Its sizes as stored, row-major: a linear layer's weight is [in, out].
    public let shape: [Int]
    /// Whether checkpoints hold the transpose: PyTorch's linear layers are [out, in].
    public let isSavedTransposed: Bool
    /// Its position in the vector.
    public let range: Range<Int>

    /// The shape in checkpoints.
    public var savedShape: [Int] { isSavedTransposed ? shape.reversed() : shape }
  }

  /// All tensors, in the order of the vector.
  public private(set) var tensors: [Tensor] = []

  /// A layout without tensors.
  public init() {}

  /// The number of parameters.
  public var count: Int { tensors.last?.range.upperBound ?? 0 }

  /// Adds a tensor at the end. Traps if its name is taken.
  ///
  /// - Parameter savedTransposed: whether checkpoints hold the transpose; only for matrices.
  /// - Returns: its range.
  @discardableResult
  public mutating func append(_ name: String, shape: [Int], savedTransposed: Bool = false) -> Range<Int> {
    precondition(!tensors.contains { $0.name == name }, "two tensors are called \(name)")
    precondition(!savedTransposed || shape.count == 2, "\(name) is no matrix, so it has no transpose")
    let range = count..<count + shape.reduce(1, *)
    tensors.append(Tensor(name: name, shape: shape, isSavedTransposed: savedTransposed, range: range))
    return range
  }
}
