/// What becomes of a step whose loss or gradient is infinite or not a number. In neither case does anything of it reach
/// the parameters.
package enum NonFinitePolicy: String, Codable, Sendable, CaseIterable {
  /// The run ends with an error that names the place.
  case stop
  /// The step has no update, and the next one follows.
  case skip
}
