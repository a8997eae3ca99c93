package import Datasets
internal import Foundation
internal import Kernels
internal import Models
package import Protocol
internal import Schema

extension Numerics {
  /// The numerics of this process, for `task`.
  package static func here(_ task: LoadedTask, _ scaling: Scaling) -> Numerics {
    func digest(_ model: some Model) -> String {
      let differentiator = Differentiator(model, task, scaling)
      var scratch = differentiator.makeScratch()
      return differentiator.digest(using: &scratch)
    }
    return here(digest: digest(task.model))
  }

  static func here(digest: String) -> Numerics {
    Numerics(
      digest: digest, processor: String((Machine.processorName() ?? "unknown processor").prefix(50)),
      kernels: VectorWidth.current.description, build: build)
  }

  /// The prefix of digests. Former versions hashed other values and wrote no prefix.
  package static let digestKind = "2:"

  private static var build: String {
    #if DEBUG
      "debug"
    #else
      "release"
    #endif
  }

  /// SHA-256, in hex, of a micro-batch's weight and sums (float64, little-endian) and of its gradient (float32). Every
  /// NaN is hashed as the same bits.
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
