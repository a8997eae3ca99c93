internal import Crypto
internal import Foundation
internal import Kernels
internal import Models
internal import Wire

/// What a worker computes, proven by its bits, and what it computes with.
///
/// Machines whose bits differ give a run another result, depending on who computes what, so a run has workers of one
/// digest. All else is for people: it explains why two digests differ. No text is longer than 200 bytes.
struct Numerics: Codable, Equatable, Sendable {
  /// ``digest(of:_:)`` of the first micro-batch of step 0 at the initial parameters.
  var digest: String
  /// The CPU's name.
  var processor: String
  /// The instruction set that the matrix library's kernels are chosen for.
  var instructionSet: String
  /// The matrix library and its version.
  var library: String
  /// How the program was compiled: `debug` or `release`.
  var build: String

  /// What this process computes with.
  static func here(digest: String) -> Numerics {
    Numerics(
      digest: digest, processor: String((Machine.processorName() ?? "unknown processor").prefix(50)),
      instructionSet: MatrixLibrary.instructionSet, library: MatrixLibrary.name, build: build)
  }

  private static var build: String {
    #if DEBUG
      "debug"
    #else
      "release"
    #endif
  }

  /// SHA-256, in hex, of a micro-batch's loss, count of correct examples and squared error (float64 or int64,
  /// little-endian) and of its gradient (float32). Every NaN counts as the same one: its bits mean nothing.
  static func digest(of metrics: Metrics, _ gradient: MutableFloats) -> String {
    if !gradient.readOnly.areFinite {
      for index in gradient.indices where gradient[index].isNaN { gradient[index] = .nan }
    }
    var hash = SHA256()
    func add(_ bits: UInt64) { withUnsafeBytes(of: bits.littleEndian) { hash.update(bufferPointer: $0) } }
    for value in [metrics.loss, metrics.squaredError] { add((value.isNaN ? .nan : value).bitPattern) }
    add(UInt64(bitPattern: Int64(metrics.correct)))
    hash.update(bufferPointer: gradient.readOnly.bytes)
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
  }

  func check() throws(WireError) {
    for text in [digest, processor, instructionSet, library, build] {
      _ = try (0...200).checked(text.utf8.count, "length of a text")
    }
  }

  /// Such as `AVX2, oneDNN 2.6.3, release build, AMD EPYC`.
  var description: String { "\(instructionSet), \(library), \(build) build, \(processor)" }

  /// In what it differs from `other`, as far as that is known; nil where it is not.
  func difference(from other: Numerics) -> String? {
    let properties = [
      ("instruction set", instructionSet, other.instructionSet), ("library", library, other.library),
      ("build", build, other.build), ("processor", processor, other.processor),
    ]
    let differing = properties.filter { $0.1 != $0.2 }.map { "\($0.0) \($0.1), not \($0.2)" }
    return differing.isEmpty ? nil : differing.joined(separator: "; ")
  }

  /// The instruction set that both could be limited to; nil where that is not known.
  func commonInstructionSet(with other: Numerics) -> String? {
    let known = MatrixLibrary.instructionSets
    guard let mine = known.firstIndex(of: instructionSet), let theirs = known.firstIndex(of: other.instructionSet)
    else { return nil }
    return known[min(mine, theirs)]
  }
}
