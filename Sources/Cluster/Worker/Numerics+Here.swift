internal import Crypto
internal import Foundation
internal import Kernels
internal import Models
internal import Protocol

extension Numerics {
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
}
