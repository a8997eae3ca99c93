public import Datasets
public import Kernels
internal import Reduction
public import Schema

/// What is trained: a function of a flat parameter vector, with its gradient.
///
/// A model is a value that describes the function; threads bring the memory. The same description must give the same
/// layout and the same bits on every worker: no state, no clock, no randomness but from the seed.
public protocol Model<Workspace>: Sendable {
  /// Memory that one thread computes in: activations and the like.
  associatedtype Workspace

  /// Which tensors there are.
  var layout: ParameterLayout { get }

  /// What it measures beside the gradient. The default is the loss alone.
  var metrics: MetricSchema { get }

  /// Writes the initial parameters: a pure function of `seed`. `parameters` starts as zeros.
  func initialize(_ parameters: MutableFloats, seed: UInt64)

  /// Memory for one thread.
  func makeWorkspace() -> Workspace

  /// The gradient of the loss, **summed** (not averaged) over the batch's examples.
  ///
  /// - Parameters:
  ///   - gradient: as long as the layout; every value must be written.
  /// - Returns: the loss and its companions, summed over the batch's examples.
  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Workspace
  ) -> Metrics

  /// The gradient of the loss summed over several micro-batches, along the reduction tree (``sumAlongTree(_:depth:leaf:add:)``).
  ///
  /// Has a default, which computes one after the other and adds whole vectors. A model that can sum in smaller pieces,
  /// while they are in the cache, does better; the bits must be the default's.
  ///
  /// - Parameters:
  ///   - microBatches: ranges of the batch's examples, in order.
  ///   - scratch: vectors for partial sums.
  /// - Returns: the loss and its companions of each micro-batch.
  func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors
  ) -> [Metrics]

  /// The loss and its companions, summed over the batch's examples.
  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Workspace) -> Metrics
}

extension Model {
  /// The loss alone.
  public var metrics: MetricSchema { .loss }

  /// One micro-batch after the other.
  public func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors
  ) -> [Metrics] {
    let partial = scratch.reserve(treeDepth(microBatches.count) - 1, of: gradient.count)
    func vector(_ depth: Int) -> MutableFloats { depth == 0 ? gradient : partial[depth - 1].all }
    var metrics: [Metrics] = []
    sumAlongTree(0..<microBatches.count) { index, depth in
      metrics.append(
        self.gradient(
          of: batch[microBatches[index]], at: parameters, into: vector(depth), using: &workspace))
    } add: { depth in
      accumulate(vector(depth + 1).readOnly, into: vector(depth))
    }
    return metrics
  }
}

/// Vectors as long as the parameters, one thread's; made as needed.
public struct ScratchVectors {
  private var vectors: [FloatBuffer] = []

  /// None yet.
  public init() {}

  mutating func reserve(_ count: Int, of length: Int) -> [FloatBuffer] {
    while vectors.count < count { vectors.append(FloatBuffer(count: length)) }
    return vectors
  }
}
