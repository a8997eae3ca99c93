/// The payload of an ASSIGN of local steps: what the update rule needs besides its moments.
package struct RoundStart: ControlPayload {
  /// The updates before the round, 0…2⁴⁸. The first local step is the next one.
  package var updates: Int
  /// The product of the plateau schedule's reductions so far, 0…1; 1 with other schedules.
  package var rateFactor: Double

  package func check() throws(WireError) {
    _ = try (0...1 << 48).checked(updates, "count of updates")
    _ = try (0...1.0).checked(rateFactor, "factor of the learning rate")
  }

  package init(updates: Int, rateFactor: Double = 1) {
    (self.updates, self.rateFactor) = (updates, rateFactor)
  }
}
