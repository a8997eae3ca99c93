import Kernels
import Testing

/// Each test runs with the processor's instructions for SHA-256, where it has them, and with the portable code.
@Suite struct SHA256Tests {
  /// The examples that NIST publishes with FIPS 180-4, the empty message's digest among them.
  private static let examples = [
    ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
      1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
    ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  ]

  @Test("gives the published digests", arguments: examples, [false, true])
  func publishedDigests(_ example: (text: String, copies: Int, digest: String), isPortable: Bool) {
    var piecewise = SHA256(isPortable: isPortable)
    for _ in 0..<example.copies { piecewise.update(example.text) }
    #expect(piecewise.digest.hex == example.digest)
    var whole = SHA256(isPortable: isPortable)
    whole.update(String(repeating: example.text, count: example.copies))
    #expect(whole.digest.hex == example.digest)
  }

  @Test("gives hashlib's digest for every length, wherever the bytes are cut", arguments: [false, true])
  func lengthsAndCuts(isPortable: Bool) {
    #expect(digestsByLength.count == 201)
    for (length, expected) in digestsByLength.enumerated() {
      let message = (0..<length).map { UInt8(truncatingIfNeeded: 31 * $0 + 7) }
      for piece in [1, 3, 55, 63, 64, 65, 127, 128, 129, 201] {
        var hash = SHA256(isPortable: isPortable)
        message.withUnsafeBytes { bytes in
          for start in stride(from: 0, to: length, by: piece) {
            hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, length)]))
          }
        }
        #expect(hash.digest.hex == expected, "\(length) bytes in pieces of \(piece)")
      }
    }
  }

  @Test("reading the digest changes nothing, and a copy goes on by itself", arguments: [false, true])
  func values(isPortable: Bool) {
    var hash = SHA256(isPortable: isPortable)
    hash.update("ab")
    hash.update(UnsafeRawBufferPointer(start: nil, count: 0))
    let copy = hash
    #expect(hash.digest == hash.digest)
    hash.update("c")
    #expect(hash.digest.hex == Self.examples[1].2)
    #expect(copy.digest != hash.digest)
  }

  @Test func textIsHashedAsUTF8() {
    var text = SHA256()
    text.update("ηλ · ½")
    var bytes = SHA256()
    Array("ηλ · ½".utf8).withUnsafeBytes { bytes.update($0) }
    #expect(text.digest == bytes.digest)
  }

  @Test func hexHasTwoLowerCaseDigitsForEachByte() {
    #expect([0x00, 0x0F, 0x10, 0xAB, 0xFF].hex == "000f10abff")
    #expect([].hex == "")
  }
}
