internal import Foundation
internal import Kernels
internal import Protocol
internal import Schema

extension Numerics {
  /// What this process computes with.
  static func here(digest: String) -> Numerics {
    Numerics(
      digest: digest, processor: String((Machine.processorName() ?? "unknown processor").prefix(50)),
      instructionSet: MatrixLibrary.instructionSet, library: MatrixLibrary.name, build: build)
  }

  /// What digests begin with; those of former versions, which hashed other sums, begin with none of it.
  package static let digestKind = "2:"

  private static var build: String {
    #if DEBUG
      "debug"
    #else
      "release"
    #endif
  }

  /// SHA-256, in hex, of a micro-batch's weight and sums (float64, little-endian) and of its gradient (float32). Every NaN counts as the same one: its bits mean nothing.
  static func digest(of metrics: Metrics, _ gradient: MutableFloats) -> String {
    if !gradient.readOnly.areFinite {
      for index in gradient.indices where gradient[index].isNaN { gradient[index] = .nan }
    }
    var hash = SHA256()
    func add(_ bits: UInt64) { withUnsafeBytes(of: bits.littleEndian) { hash.update($0) } }
    for value in [metrics.weight] + metrics.sums { add((value.isNaN ? .nan : value).bitPattern) }
    hash.update(gradient.readOnly.bytes)
    return digestKind + hash.digest.hex
  }
}
