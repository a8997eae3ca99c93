/// The rounds of which a worker has each chunk of the parameters; a step is a round, unless there are local steps.
///
/// A worker keeps the vectors of two rounds, so that the next round's chunks may come while it computes with this
/// round's. The chunks of a round replace those of two rounds before. In a job of bf16 each round has two versions,
/// rounded for training and float32 for evaluations, and both are kept, because an evaluation and training may follow
/// each other between two rounds.
package struct HeldParameters: Equatable, Sendable {
  package static let vectorCount = 2

  /// For each vector and chunk, the round; −1 for none.
  private var float32, bf16: [[Int]]

  /// No chunks.
  ///
  /// - Parameter chunks: how many there are.
  package init(chunks: Int) {
    float32 = Array(repeating: Array(repeating: -1, count: chunks), count: HeldParameters.vectorCount)
    bf16 = float32
  }

  /// The index of the vector that holds the parameters before `round`.
  package static func vector(ofRound round: Int) -> Int { round % vectorCount }

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

  /// Whether it has the chunk of `round` as `element`.
  package func holds(_ chunk: Int, round: Int, _ element: ElementKind) -> Bool {
    self[element][HeldParameters.vector(ofRound: round)][chunk] == round
  }

  package mutating func add(_ chunk: Int, round: Int, _ element: ElementKind) {
    self[element][HeldParameters.vector(ofRound: round)][chunk] = round
  }

  /// Whether the vector of `round` has no chunk of that round or a later one.
  package func isNewer(_ chunk: Int, round: Int, _ element: ElementKind) -> Bool {
    self[element][HeldParameters.vector(ofRound: round)][chunk] < round
  }

  /// Forgets the chunk, of both rounds and versions.
  package mutating func remove(_ chunk: Int) {
    for vector in 0..<HeldParameters.vectorCount {
      float32[vector][chunk] = -1
      bf16[vector][chunk] = -1
    }
  }
}
