/// A part of the data that no gradient is computed of. The cases are in the order of evaluation.
package enum HeldOutPart: String, Hashable, Sendable, CaseIterable {
  /// Where there is one, a run's evaluations are of it. Their losses decide what depends on unseen examples, such as which
  /// checkpoint is the best.
  case validation
  /// Without a validation part, a run's evaluations are of it. Beside one it is evaluated once, after the last step, so
  /// that it has decided nothing.
  case test
}
