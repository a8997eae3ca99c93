internal import CKernels

/// SHA-256 (FIPS 180-4) of bytes that are added in pieces. The pieces' lengths do not matter.
package struct SHA256: Sendable {
  private var state = lk_sha256()

  /// - Parameter isPortable: computes without the processor's own instructions for SHA-256, seven times slower; for
  ///   tests.
  package init(isPortable: Bool = false) {
    lk_sha256_init(&state, isPortable ? 1 : 0)
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    lk_sha256_update(&state, bytes.baseAddress, bytes.count)
  }

  /// Adds `text` as UTF-8, without a length or a terminator.
  package mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// The hash of the bytes so far, 32 bytes. More may be added later. Its ``hex`` is what `sha256sum` prints.
  package var digest: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { bytes, count in
      withUnsafePointer(to: state) { lk_sha256_finish($0, bytes.baseAddress) }
      count = 32
    }
  }
}

extension Sequence<UInt8> {
  /// Two lower-case hexadecimal digits per byte, without separators.
  package var hex: String {
    map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
