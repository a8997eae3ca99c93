/// The rounds of which a worker has each chunk of the parameters; a step is a round, unless there are local steps.
///
/// A worker keeps the vectors of two rounds, so that the next round's chunks may come while it computes with this
/// round's. The chunks of a round replace those of two rounds before. A round may have several versions, such as
/// bf16 for training and averages for evaluations (``ElementKind``), and all are kept, because an evaluation and training
/// may follow each other between two rounds.
package struct HeldParameters: Equatable, Sendable {
  package static let vectorCount = 2

  /// By version, vector and chunk: the round; −1 for none. In one array, because every message changes it or copies its
  /// member.
  private var rounds: [Int]
  private let chunkCount: Int

  /// No chunks.
  ///
  /// - Parameter chunks: how many there are.
  package init(chunks: Int) {
    chunkCount = chunks
    rounds = Array(repeating: -1, count: ElementKind.allCases.count * HeldParameters.vectorCount * chunks)
  }

  /// The index of the vector that holds the parameters before `round`.
  package static func vector(ofRound round: Int) -> Int { round % vectorCount }

  private func place(_ chunk: Int, _ vector: Int, _ element: ElementKind) -> Int {
    precondition((0..<chunkCount).contains(chunk))
    return (Int(element.rawValue) * HeldParameters.vectorCount + vector) * chunkCount + chunk
  }

  /// Whether it has the chunk of `round` as `element`.
  package func holds(_ chunk: Int, round: Int, _ element: ElementKind) -> Bool {
    rounds[place(chunk, HeldParameters.vector(ofRound: round), element)] == round
  }

  package mutating func add(_ chunk: Int, round: Int, _ element: ElementKind) {
    rounds[place(chunk, HeldParameters.vector(ofRound: round), element)] = round
  }

  /// Whether the vector of `round` has no chunk of that round or a later one.
  package func isNewer(_ chunk: Int, round: Int, _ element: ElementKind) -> Bool {
    rounds[place(chunk, HeldParameters.vector(ofRound: round), element)] < round
  }

  /// Forgets the chunk, of both rounds and versions.
  package mutating func remove(_ chunk: Int) {
    for vector in 0..<HeldParameters.vectorCount {
      for element in ElementKind.allCases { rounds[place(chunk, vector, element)] = -1 }
    }
  }
}
