/// The position of each tensor in the flat vector that holds all parameters, and after them the statistics.
///
/// Tensors follow each other without gaps, in the order of their list.
public struct ParameterLayout: Codable, Equatable, Sendable {
  /// One tensor: a name, a shape and a range of the vector.
  public struct Tensor: Codable, Equatable, Sendable {
    /// Its name in checkpoints, such as `0.weight`.
    public let name: String
    /// Its sizes as stored, row-major: a linear layer's weight is [in, out].
    public let shape: [Int]
    /// The axes of ``shape`` in the order of checkpoints; empty for the same order. PyTorch's linear layers are
    /// [out, in], so theirs are [1, 0].
    public let savedAxes: [Int]
    /// Its position in the vector.
    public let range: Range<Int>
    /// Whether its values are averages over batches, such as running means, and not learned.
    public let isStatistic: Bool

    /// The shape in checkpoints.
    public var savedShape: [Int] { savedAxes.isEmpty ? shape : savedAxes.map { shape[$0] } }

    /// Calls `body` with the index of each value within the tensor, in the order of checkpoints.
    package func forEachSaved(_ body: (_ index: Int) throws -> Void) rethrows {
      guard !savedAxes.isEmpty else { return try (0..<range.count).forEach(body) }
      var strides = [Int](repeating: 1, count: shape.count)
      for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
      // The last saved axis runs in the inner loop, the others like the digits of a counter.
      let inner = savedAxes[savedAxes.count - 1]
      let outer = savedAxes.dropLast()
      var place = [Int](repeating: 0, count: shape.count)
      var first = 0
      for _ in 0..<range.count / max(shape[inner], 1) {
        for step in 0..<shape[inner] { try body(first + step * strides[inner]) }
        for axis in outer.reversed() {
          place[axis] += 1
          first += strides[axis]
          guard place[axis] == shape[axis] else { break }
          first -= place[axis] * strides[axis]
          place[axis] = 0
        }
      }
    }
  }

  /// All tensors, in the order of the vector.
  public private(set) var tensors: [Tensor] = []

  /// A layout without tensors.
  public init() {}

  /// The number of values: parameters and statistics.
  public var count: Int { tensors.last?.range.upperBound ?? 0 }
  /// The number of parameters. The statistics follow them.
  public var parameterCount: Int { tensors.last { !$0.isStatistic }?.range.upperBound ?? 0 }

  /// The names of the counters that PyTorch keeps beside running averages.
  package var counters: [String] {
    tensors.filter { $0.isStatistic && $0.name.split(separator: ".").last == "running_mean" }
      .map { $0.name.dropLast("running_mean".count) + "num_batches_tracked" }
      .filter { name in !tensors.contains { $0.name == name } }
  }

  /// Adds a tensor at the end. Traps if its name is taken, or if it is a parameter after a statistic.
  ///
  /// - Parameter savedAxes: ``Tensor/savedAxes``: a permutation of the shape's axes, or empty.
  /// - Returns: its range.
  @discardableResult
  public mutating func append(
    _ name: String, shape: [Int], savedAxes: [Int] = [], isStatistic: Bool = false
  ) -> Range<Int> {
    precondition(!tensors.contains { $0.name == name }, "two tensors are called \(name)")
    precondition(
      savedAxes.isEmpty || savedAxes.sorted() == Array(shape.indices), "\(savedAxes) are not the axes of \(name)")
    precondition(isStatistic || count == parameterCount, "the parameter \(name) after statistics")
    let range = count..<count + shape.reduce(1, *)
    tensors.append(Tensor(name: name, shape: shape, savedAxes: savedAxes, range: range, isStatistic: isStatistic))
    return range
  }
}
