internal import Files
internal import Foundation

/// The secret that lets one read what a server shows.
package enum AccessToken {
  private static let lengths = 16...512

  /// Reads it from a file that others may not read.
  ///
  /// - Throws: ``FileError`` that says what is wrong with the file.
  package static func read(_ path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError.system("the file cannot be read") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError("it is no file")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw FileError("it is a secret that others may read: chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: lengths.upperBound + 2)
    let count = bytes.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw FileError.system("the file cannot be read") }
    let token = String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard lengths.contains(token.utf8.count), token.utf8.allSatisfy({ isSafe($0) }) else {
      throw FileError(
        "a token has \(lengths.lowerBound) to \(lengths.upperBound) letters, digits, and - . _ ~ (try: openssl rand -hex 16)"
      )
    }
    return token
  }

  /// Whether it means itself in a URL and in a header.
  private static func isSafe(_ byte: UInt8) -> Bool {
    let character = Character(Unicode.Scalar(byte))
    return character.isASCII && (character.isLetter || character.isNumber) || "-._~".contains(character)
  }
}
