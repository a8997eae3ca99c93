/// What to do with a step whose loss or gradient is infinite or not a number. The parameters never change in such a
/// step.
package enum NonFinitePolicy: String, Codable, Sendable, CaseIterable {
  /// End the run with an error that names the tensor and the micro-batch.
  case stop
  /// Go on with the next step.
  case skip
}
