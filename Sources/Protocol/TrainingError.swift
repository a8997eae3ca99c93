/// Why a run failed.
package struct TrainingError: Error, Equatable, CustomStringConvertible {
  /// One sentence that names the root cause and what to do.
  package let description: String
  /// A worker or a tensor, for programs; nil if it is neither.
  package let culprit: String?
  /// Whether the cause is a loss, a gradient or a parameter that is infinite or not a number.
  package let hasDiverged: Bool

  package init(_ description: String, culprit: String? = nil, hasDiverged: Bool = false) {
    (self.description, self.culprit, self.hasDiverged) = (description, culprit, hasDiverged)
  }
}
