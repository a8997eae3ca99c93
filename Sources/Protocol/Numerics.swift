/// The digest of what a worker computes, and what it computes with.
///
/// If machines compute different bits, the result depends on who computes what. All workers of a run therefore have the
/// same digest. The other fields explain to users why two digests differ; each has at most 200 bytes.
package struct Numerics: Codable, Equatable, Sendable {
  /// The digest of the loss and gradient of the first micro-batch of step 0 at the initial parameters.
  package var digest: String
  package var processor: String
  /// The instruction set of the matrix library's kernels.
  package var instructionSet: String
  package var library: String
  /// `debug` or `release`.
  package var build: String

  package func check() throws(WireError) {
    for text in [digest, processor, instructionSet, library, build] {
      _ = try (0...200).checked(text.utf8.count, "length of a text")
    }
  }

  /// Such as `AVX2, oneDNN 2.6.3, release build, AMD EPYC`.
  package var description: String { "\(instructionSet), \(library), \(build) build, \(processor)" }

  /// The known differences from `other`; nil if there are none.
  package func difference(from other: Numerics) -> String? {
    let properties = [
      ("instruction set", instructionSet, other.instructionSet), ("library", library, other.library),
      ("build", build, other.build), ("processor", processor, other.processor),
    ]
    let differing = properties.filter { $0.1 != $0.2 }.map { "\($0.0) \($0.1), not \($0.2)" }
    return differing.isEmpty ? nil : differing.joined(separator: "; ")
  }

  /// The instruction sets that `DNNL_MAX_CPU_ISA` can name, each after those that have fewer instructions.
  private static let instructionSets = [
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16", "AVX512_CORE_AMX",
  ]

  /// The largest instruction set that both could be limited to; nil if unknown.
  package func commonInstructionSet(with other: Numerics) -> String? {
    let known = Numerics.instructionSets
    guard let mine = known.firstIndex(of: instructionSet), let theirs = known.firstIndex(of: other.instructionSet)
    else { return nil }
    return known[min(mine, theirs)]
  }

  package init(digest: String, processor: String, instructionSet: String, library: String, build: String) {
    (self.digest, self.processor, self.instructionSet, self.library) = (digest, processor, instructionSet, library)
    self.build = build
  }
}
