internal import Foundation
internal import Kernels

/// `text` as a string of Python, which a shell leaves as it is within double quotes.
func pythonLiteral(_ text: String) -> String {
  let escaped = text.unicodeScalars.map { scalar in
    guard scalar.value < 0x20 || scalar.value == 0x7F || "'\"\\$`!".unicodeScalars.contains(scalar) else {
      return String(scalar)
    }
    return "\\x" + [UInt8(scalar.value)].hex
  }
  return "'\(escaped.joined())'"
}

/// `text` as one word of a shell.
func shellWord(_ text: String) -> String { "'\(text.replacingOccurrences(of: "'", with: "'\\''"))'" }
