internal import CKernels
internal import Foundation

/// How many floats a vector of the kernels has. All widths give the same bits.
package enum VectorWidth: Int, CaseIterable, Sendable {
  /// SSE2 or NEON.
  case four = 4
  /// AVX2 and FMA.
  case eight = 8
  /// AVX-512.
  case sixteen = 16

  /// The widths that this processor has the instructions for, the narrowest first.
  package static var available: [VectorWidth] { allCases.filter { lk_kernels_of_width(Int32($0.rawValue)) != nil } }

  /// The variable that chooses a width.
  package static let variable = "LOCKSTEP_VECTOR_WIDTH"

  /// The width that ``variable`` names, or the widest.
  ///
  /// - Throws: ``VectorWidthError`` if this processor has no such width.
  package static func chosen(
    in environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(VectorWidthError) -> VectorWidth {
    guard let text = environment[variable], !text.isEmpty else { return available.last! }
    guard let width = Int(text).flatMap(VectorWidth.init), available.contains(width) else {
      throw VectorWidthError(value: text)
    }
    return width
  }

  /// The width of this process's kernels.
  package static let current: VectorWidth = {
    do { return try chosen() } catch { fatalError("\(error)") }
  }()

  /// Whether this processor has fused multiply-add instructions. Without them the kernels are correct and slow.
  package static var hasFusedMultiplyAdd: Bool { lk_has_fma() != 0 }

  /// Such as `AVX2, 8 floats a vector`.
  package var description: String { "\(instructions), \(rawValue) floats a vector" }

  private var instructions: String {
    #if arch(x86_64)
      switch self {
      case .four: VectorWidth.hasFusedMultiplyAdd ? "FMA" : "SSE2, without fused multiply-add"
      case .eight: "AVX2"
      case .sixteen: "AVX-512"
      }
    #else
      "NEON"
    #endif
  }
}

/// ``VectorWidth/variable`` names a width that this processor does not have.
package struct VectorWidthError: Error, CustomStringConvertible {
  let value: String

  package var description: String {
    let available = VectorWidth.available.map { "\($0.rawValue)" }.joined(separator: ", ")
    return "\(VectorWidth.variable)=\(value): this processor has vectors of \(available) floats"
  }
}

/// The kernels of ``VectorWidth/current``.
let kernels = lk_kernels_of_width(Int32(VectorWidth.current.rawValue)).pointee
