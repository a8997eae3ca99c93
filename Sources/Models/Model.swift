public import Datasets
public import Kernels
internal import Reduction
public import Schema

/// A trainable function of a flat parameter vector, with its gradient.
///
/// A model is a value that describes the function; each thread has its own ``Workspace``. The same description must
/// give the same layout and the same bits on every worker: no state, no clock, no randomness except from the seed.
public protocol Model<Workspace>: Sendable {
  /// One thread's memory, such as activations.
  associatedtype Workspace

  /// The tensors and their positions in the parameter vector.
  var layout: ParameterLayout { get }

  /// The fewest examples that a micro-batch may have. The default is 1.
  var leastExamples: Int { get }

  /// What it measures in addition to the gradient. The default is the loss alone.
  var metrics: MetricSchema { get }

  /// Writes the initial parameters: a pure function of `seed`. `parameters` starts as zeros.
  func initialize(_ parameters: MutableFloats, seed: UInt64)

  /// Creates the memory of one thread.
  func makeWorkspace() -> Workspace

  /// The gradient of the loss, **summed** (not averaged) over the batch's examples.
  ///
  /// - Parameters:
  ///   - gradient: as long as the layout; every value must be written.
  /// - Returns: the sums of ``metrics`` over the batch's examples.
  func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Workspace
  ) -> Metrics

  /// The gradient of the loss summed over several micro-batches, along the reduction tree.
  ///
  /// The default computes one micro-batch after the other and adds whole vectors. A model that sums smaller pieces
  /// while they are in the cache is faster, but must give the same bits.
  ///
  /// - Parameters:
  ///   - microBatches: ranges of the batch's examples, in order.
  ///   - scratch: vectors for partial sums.
  /// - Returns: the sums of ``metrics`` over each micro-batch.
  func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors
  ) -> [Metrics]

  /// The gradient as ``gradient(of:microBatches:at:into:using:scratch:)`` computes it, with reports of which of its values
  /// are final, so that they can be sent while the others are still computed.
  ///
  /// The default calls that function and then reports the whole gradient. A model whose gradient is complete piece by
  /// piece can report each piece, but must give the same bits.
  ///
  /// - Parameters:
  ///   - whenFinal: called with ranges of the gradient's indices, on the calling thread and in any order, and with what the
  ///     function will return. Each value, statistics too, must be in exactly one of them, and must not change after that call.
  /// - Returns: the sums of ``metrics`` over each micro-batch.
  func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors, whenFinal: (Range<Int>, [Metrics]) -> Void
  ) -> [Metrics]

  /// The sums of ``metrics`` over the batch's examples, without a gradient.
  func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Workspace) -> Metrics
}

extension Model {
  /// Default: 1.
  public var leastExamples: Int { 1 }

  /// Default: the loss alone.
  public var metrics: MetricSchema { .loss }

  /// Default: one micro-batch after the other.
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

  /// Default: the whole gradient is final at the end.
  public func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors, whenFinal: (Range<Int>, [Metrics]) -> Void
  ) -> [Metrics] {
    let metrics = self.gradient(
      of: batch, microBatches: microBatches, at: parameters, into: gradient, using: &workspace, scratch: &scratch)
    whenFinal(gradient.indices, metrics)
    return metrics
  }
}

/// One thread's vectors, as long as the parameters. They are allocated as needed.
public struct ScratchVectors {
  private var vectors: [FloatBuffer] = []

  /// Allocates nothing.
  public init() {}

  mutating func reserve(_ count: Int, of length: Int) -> [FloatBuffer] {
    while vectors.count < count { vectors.append(FloatBuffer(count: length)) }
    return vectors
  }
}
