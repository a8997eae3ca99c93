internal import Files
internal import Foundation
package import ZeroMQ

/// Key files: a secret key that only its owner may read, and beside it `.pub` with the public key and a comment.
package enum KeyFile {
  /// Makes a key pair and writes `path` and `path.pub`; neither may exist.
  ///
  /// - Throws: ``FileError`` if one exists or cannot be written.
  /// - Returns: the line with the public key.
  package static func makePair(_ path: String, comment: String) throws -> String {
    let pair = try CurveKeyPair.random()
    let line = "\(pair.publicKey) \(comment)"
    try createFile(
      """
      # The secret key of \(comment). Whoever reads it can take part in its place.
      \(pair.secretBase64)

      """, at: path, mode: 0o600)
    do {
      try createFile(line + "\n", at: path + ".pub", mode: 0o644)
    } catch {
      unlink(path)
      throw error
    }
    return line
  }

  /// Reads a secret key.
  ///
  /// - Parameter path: the file; `-` reads one line of standard input.
  /// - Throws: ``FileError`` if it cannot be read, others may read it, or it has no key.
  package static func readPair(_ path: String) throws -> CurveKeyPair {
    if path == "-" {
      guard let pair = CurveKeyPair(secretBase64: try inputLine()) else {
        throw FileError("standard input has no secret key: `lockstep keygen FILE` makes one")
      }
      return pair
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot read the key \(path)") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.system("cannot read the key \(path)") }
    guard status.st_mode & 0o077 == 0 else {
      let mode = String(status.st_mode & 0o7777, radix: 8)
      throw FileError("\(path) is a secret key that others may read (mode \(mode)): chmod 600 \(path)")
    }
    let keys = lines(of: try text(of: descriptor, path))
    guard keys.count == 1, let pair = CurveKeyPair(secretBase64: keys[0].text) else {
      throw FileError("\(path) is no secret key: `lockstep keygen FILE` makes one")
    }
    return pair
  }

  /// The next line of standard input that is neither empty nor a comment.
  private static func inputLine() throws -> Substring {
    var text: [UInt8] = []
    while true {
      var byte: UInt8 = 0
      let count = read(STDIN_FILENO, &byte, 1)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError.system("cannot read the key from standard input") }
      guard count == 0 || byte == UInt8(ascii: "\n") else {
        text.append(byte)
        guard text.count < 1 << 16 else { throw FileError("standard input has a line too long to be a key") }
        continue
      }
      if let line = lines(of: String(decoding: text, as: UTF8.self)).first { return line.text }
      guard count > 0 else { throw FileError("standard input has ended before a secret key") }
      text = []
    }
  }

  /// Reads a public key: `text` is the key or the path of its file.
  ///
  /// - Throws: ``FileError`` if it is neither.
  package static func readPublicKey(_ text: String) throws -> CurveKey {
    if let key = CurveKey(base64: text) { return key }
    let descriptor = open(text, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("\(text) is no public key, and no file of one can be read") }
    defer { close(descriptor) }
    let keys = lines(of: try self.text(of: descriptor, text))
    guard keys.count == 1, let key = keys[0].key else {
      throw FileError("\(text) does not hold one public key: `lockstep keygen FILE` writes it to FILE.pub")
    }
    return key
  }

  /// A line that is neither empty nor a comment.
  struct Line {
    let number: Int
    let text: Substring
    var key: CurveKey? { text.split(whereSeparator: \.isWhitespace).first.flatMap { CurveKey(base64: $0) } }
  }

  static func lines(of text: String) -> [Line] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      let text = line.drop { $0.isWhitespace }
      guard let first = text.first, first != "#" else { return nil }
      let end = text.lastIndex { !$0.isWhitespace }!
      return Line(number: index + 1, text: text[...end])
    }
  }

  /// - Throws: ``FileError`` if the file has more than a megabyte.
  static func text(of descriptor: Int32, _ path: String) throws -> String {
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    var count = 0
    while count < bytes.count {
      let added = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
      if added < 0 && errno == EINTR { continue }
      guard added >= 0 else { throw FileError.system("cannot read \(path)") }
      if added == 0 { return String(decoding: bytes[..<count], as: UTF8.self) }
      count += added
    }
    throw FileError("\(path) has more than a megabyte: it is no file of keys")
  }
}
