public import Datasets
public import Kernels

/// What is trained: a function of a flat parameter vector, with its gradient.
///
/// A model is a value that describes the function; threads bring the memory. The same description must give the same
/// layout and the same bits on every worker: no state, no clock, no randomness but from the seed.
public protocol Model: Sendable {
  /// Memory that one thread computes in: activations and the like.
  associatedtype Workspace

  /// Which tensors there are.
  var layout: ParameterLayout { get }

  /// Writes the initial parameters: a pure function of `seed`. `parameters` starts as zeros.
  func initialize(_ parameters: MutableFloats, seed: UInt64)

  /// Memory for one thread.
  func makeWorkspace() -> Workspace

  /// The gradient of the loss, **summed** (not averaged) over the batch's examples.
  ///
  /// - Parameters:
  ///   - gradient: as long as the layout; every value must be written.
  ///   - ready: to be called with each range of `gradient` once it is final, in any order; together they cover it all.
  /// - Returns: the loss and its companions, summed over the batch's examples.
  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Workspace,
    ready: (Range<Int>) -> Void
  ) -> Metrics

  /// The loss and its companions, summed over the batch's examples.
  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Workspace) -> Metrics
}

/// Sums over examples.
public struct Metrics: Equatable, Sendable {
  /// The loss.
  public var loss: Double
  /// How many examples were classified right; 0 for regression.
  public var correct: Int
  /// The squared error over all outputs; 0 for classification.
  public var squaredError: Double

  /// Sums over examples.
  public init(loss: Double, correct: Int = 0, squaredError: Double = 0) {
    self.loss = loss
    self.correct = correct
    self.squaredError = squaredError
  }
}
