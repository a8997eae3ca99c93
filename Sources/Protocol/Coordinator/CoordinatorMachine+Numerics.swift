/// Refuses workers that would compute other bits than the run's.
///
/// The digest of the first worker becomes the run's; a resumed run has its digest from the checkpoint.
extension CoordinatorMachine {
  /// The digest that workers must have.
  package struct KnownNumerics {
    package var digest: String
    /// The worker that it came from; nil for a checkpoint.
    package var worker: (text: String, numerics: Numerics)?
  }

  /// The reason to refuse a worker of these numerics; nil to admit it.
  package func refusal(of found: Numerics) -> String? {
    guard !configuration.acceptsOtherNumerics, let known = numerics, known.digest != found.digest else { return nil }
    let wayOut =
      "--accept-other-numerics on the coordinator's side takes it in, and then the result depends on who computes what"
    guard let first = known.worker else {
      return
        "it computes other bits than this run did before it was saved (it has \(printable(found.description))): use workers "
        + "of the kind that began the run, or limit them by DNNL_MAX_CPU_ISA to what those had; \(wayOut)"
    }
    let difference = found.difference(from: first.numerics).map(printable) ?? "nothing that is known of them differs"
    let limit = found.commonInstructionSet(with: first.numerics).map { "DNNL_MAX_CPU_ISA=\($0)" } ?? "DNNL_MAX_CPU_ISA"
    return
      "it computes other bits than \(first.text), which came first, so that its bits are the run's (\(difference)): "
      + "give all workers the same program and \(limit); if \(first.text) is the odd one, start the run again without "
      + "it; \(wayOut)"
  }

  /// Remembers the numerics of the first admitted worker, and reports later ones that differ.
  package mutating func recordNumerics(_ found: Numerics, of member: Member) {
    let text = "worker \(member.number) (\(member.name))"
    guard let known = numerics else {
      numerics = KnownNumerics(digest: found.digest, worker: (text, found))
      if configuration.start > 0 {
        report(
          .warning(
            "the checkpoint does not say which bits its run's workers computed: those of \(text) are taken for them"))
      }
      return
    }
    if known.digest != found.digest {
      report(
        .otherNumerics("\(text) computes other bits than the run's first worker (\(printable(found.description)))"))
    } else if known.worker == nil {
      numerics!.worker = (text, found)
    }
  }
}
