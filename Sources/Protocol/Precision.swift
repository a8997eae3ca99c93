/// How the gradients of a job, their sums and the parameters at which they are computed are rounded.
///
/// The coordinator's parameters and moments, statistics and evaluations are float32 in every job.
package enum Precision: String, Codable, Sendable, CaseIterable {
  case float32
  /// The upper half of a float32. Each leaf and each node's sum is rounded, whoever computes it and whether it is sent or
  /// not, so that the bits do not depend on who pushes which nodes.
  case bf16

  /// As a header names it.
  package var element: ElementKind {
    switch self {
    case .float32: .float32
    case .bf16: .bf16
    }
  }
}
