/// The scores of the examples of two classes, for the area under the curve of the receiver operating characteristic.
///
/// Keeps 4 bytes an example: the area needs their order, which no summary of fixed size gives exactly.
struct ReceiverCurve: Sendable {
  private var negatives: [Float] = []
  private var positives: [Float] = []

  mutating func add(_ score: Float, isPositive: Bool) {
    if isPositive { positives.append(score) } else { negatives.append(score) }
  }

  mutating func append(_ next: ReceiverCurve) {
    negatives += next.negatives
    positives += next.positives
  }

  /// The share of the pairs of a positive and a negative example whose positive has the higher score; equal scores count
  /// half (Hanley & McNeil, Radiology 143, 1982). Nil without positives or without negatives.
  var area: Double? {
    guard !positives.isEmpty, !negatives.isEmpty else { return nil }
    let (positives, negatives) = (positives.sorted(), negatives.sorted())
    var (below, notAbove, twice) = (0, 0, 0)
    for score in positives {
      while below < negatives.count, negatives[below] < score { below += 1 }
      while notAbove < negatives.count, negatives[notAbove] <= score { notAbove += 1 }
      twice += below + notAbove
    }
    return Double(twice) / (2 * Double(positives.count) * Double(negatives.count))
  }
}
