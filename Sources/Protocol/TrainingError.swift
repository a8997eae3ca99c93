/// Why a run failed.
package struct TrainingError: Error, Equatable, CustomStringConvertible {
  /// One sentence that names the root cause and what to do.
  package let description: String
  /// A worker or a tensor, for programs; nil if it is neither.
  package let culprit: String?

  package init(_ description: String, culprit: String? = nil) {
    (self.description, self.culprit) = (description, culprit)
  }
}
