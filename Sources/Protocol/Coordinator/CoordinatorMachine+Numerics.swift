/// Refuses workers that compute other bits than the coordinator.
extension CoordinatorMachine {
  /// The reason to refuse a worker of these numerics; nil to admit it.
  func refusal(of found: Numerics) -> String? {
    guard !configuration.acceptsOtherNumerics, found.digest != configuration.numerics.digest else { return nil }
    let difference =
      found.difference(from: configuration.numerics).map { printable($0) } ?? "nothing that is known of them differs"
    return
      "it computes other bits than the coordinator (\(difference)): give both the same program; if they have it, its "
      + "model calls functions of the system's library, which differ between systems, or one of the machines is broken; "
      + "--accept-other-numerics for the coordinator admits the worker, and then the result depends on who computes what"
  }

  /// Reports a worker that was admitted though its numerics differ.
  mutating func reportOtherNumerics(_ found: Numerics, of member: Member) {
    guard found.digest != configuration.numerics.digest else { return }
    report(
      .otherNumerics(
        "worker \(member.number) (\(member.name)) computes other bits than the coordinator "
          + "(\(printable(found.description)))"))
  }
}
