/// What a process computes, and what it computes with.
///
/// The built-in models give the same bits on every processor, so a worker with another digest than the coordinator's has
/// another program, a model of its own that calls the system's library, or a fault. The other fields explain to users why
/// two digests differ; each has at most 200 bytes.
package struct Numerics: Codable, Equatable, Sendable {
  /// The version of the arithmetic, which the guide's page Numerics defines. Jobs of different versions end with
  /// different bits.
  package static let version = 3

  /// The digest of the loss and gradient of the first micro-batch of step 0 at the initial parameters.
  package var digest: String
  package var processor: String
  /// The instructions and vectors of its kernels, such as `AVX2, 8 floats a vector`.
  package var kernels: String
  /// `debug` or `release`.
  package var build: String

  package func check() throws(WireError) {
    for text in [digest, processor, kernels, build] {
      _ = try (0...200).checked(text.utf8.count, "length of a text")
    }
  }

  /// Such as `AVX2, 8 floats a vector, release build, AMD EPYC`.
  package var description: String { "\(kernels), \(build) build, \(processor)" }

  /// The known differences from `other`; nil if there are none.
  package func difference(from other: Numerics) -> String? {
    let properties = [
      ("kernels", kernels, other.kernels), ("build", build, other.build), ("processor", processor, other.processor),
    ]
    let differing = properties.filter { $0.1 != $0.2 }.map { "\($0.0) \($0.1), not \($0.2)" }
    return differing.isEmpty ? nil : differing.joined(separator: "; ")
  }

  package init(digest: String, processor: String, kernels: String, build: String) {
    (self.digest, self.processor, self.kernels, self.build) = (digest, processor, kernels, build)
  }

  /// Reads also what workers of numerics version 1 sent, to refuse them by their digest.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func text(_ key: CodingKeys) throws -> String { try container.decode(String.self, forKey: key) }
    try self.init(
      digest: text(.digest), processor: text(.processor),
      kernels: container.decodeIfPresent(String.self, forKey: .kernels) ?? "those of an earlier version",
      build: text(.build))
  }
}
