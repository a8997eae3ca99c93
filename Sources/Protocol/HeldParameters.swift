/// The steps of which a worker has each chunk of the parameters.
///
/// A worker keeps the vectors of two steps, so that the next step's chunks may come while it computes with this step's.
/// The chunks of a step replace those of two steps before. In a job of bf16 each step has two versions, rounded for
/// training and float32 for evaluations, and both are kept, because an evaluation and training may follow each other
/// at one step.
package struct HeldParameters: Equatable, Sendable {
  package static let vectorCount = 2

  /// For each vector and chunk, the step; −1 for none.
  private var float32, bf16: [[Int]]

  /// No chunks.
  ///
  /// - Parameter chunks: how many there are.
  package init(chunks: Int) {
    float32 = Array(repeating: Array(repeating: -1, count: chunks), count: HeldParameters.vectorCount)
    bf16 = float32
  }

  /// The index of the vector that holds the parameters of `step`.
  package static func vector(ofStep step: Int) -> Int { step % vectorCount }

  private subscript(element: ElementKind) -> [[Int]] {
    get {
      switch element {
      case .float32: float32
      case .bf16: bf16
      }
    }
    set {
      switch element {
      case .float32: float32 = newValue
      case .bf16: bf16 = newValue
      }
    }
  }

  /// Whether it has the chunk of `step` as `element`.
  package func holds(_ chunk: Int, step: Int, _ element: ElementKind) -> Bool {
    self[element][HeldParameters.vector(ofStep: step)][chunk] == step
  }

  package mutating func add(_ chunk: Int, step: Int, _ element: ElementKind) {
    self[element][HeldParameters.vector(ofStep: step)][chunk] = step
  }

  /// Whether the vector of `step` has no chunk of that step or a later one.
  package func isNewer(_ chunk: Int, step: Int, _ element: ElementKind) -> Bool {
    self[element][HeldParameters.vector(ofStep: step)][chunk] < step
  }

  /// Forgets the chunk, of both steps and versions.
  package mutating func remove(_ chunk: Int) {
    for vector in 0..<HeldParameters.vectorCount {
      float32[vector][chunk] = -1
      bf16[vector][chunk] = -1
    }
  }
}
