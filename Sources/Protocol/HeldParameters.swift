/// The steps of which a worker has each chunk of the parameters.
///
/// A worker keeps the vectors of two steps, so that the next step's chunks may come while it computes with this step's.
/// The chunks of a step replace those of two steps before.
package struct HeldParameters: Equatable, Sendable {
  package static let vectorCount = 2

  /// For each vector and chunk, the step; −1 for none.
  private var steps: [[Int]]

  /// No chunks.
  ///
  /// - Parameter chunks: how many there are.
  package init(chunks: Int) {
    steps = Array(repeating: Array(repeating: -1, count: chunks), count: HeldParameters.vectorCount)
  }

  /// The index of the vector that holds the parameters of `step`.
  package static func vector(ofStep step: Int) -> Int { step % vectorCount }

  package func holds(_ chunk: Int, step: Int) -> Bool { steps[HeldParameters.vector(ofStep: step)][chunk] == step }

  package func holds(_ chunks: Range<Int>, step: Int) -> Bool { chunks.allSatisfy { holds($0, step: step) } }

  package mutating func add(_ chunk: Int, step: Int) { steps[HeldParameters.vector(ofStep: step)][chunk] = step }

  /// Whether the vector of `step` has no chunk of that step or a later one.
  package func isNewer(_ chunk: Int, step: Int) -> Bool {
    steps[HeldParameters.vector(ofStep: step)][chunk] < step
  }

  /// Forgets the chunk, of both steps.
  package mutating func remove(_ chunk: Int) {
    for vector in steps.indices { steps[vector][chunk] = -1 }
  }
}
