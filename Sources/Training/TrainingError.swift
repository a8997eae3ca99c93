/// Why a run failed: one sentence, the root cause.
public struct TrainingError: Error, Equatable, CustomStringConvertible {
  /// A sentence that names the culprit and what to do.
  public let description: String
  /// Who or what it was, for programs: a worker, a tensor; nil where it is neither.
  public let culprit: String?

  /// An error with its sentence.
  public init(_ description: String, culprit: String? = nil) {
    self.description = description
    self.culprit = culprit
  }
}
