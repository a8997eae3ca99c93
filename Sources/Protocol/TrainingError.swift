/// Why a run failed: one sentence, the root cause.
package struct TrainingError: Error, Equatable, CustomStringConvertible {
  /// A sentence that names the culprit and what to do.
  package let description: String
  /// Who or what it was, for programs: a worker, a tensor; nil where it is neither.
  package let culprit: String?

  /// An error with its sentence.
  package init(_ description: String, culprit: String? = nil) {
    self.description = description
    self.culprit = culprit
  }
}
