internal import Foundation

/// 1234567 as "1,234,567".
package func grouped(_ value: Int) -> String {
  var digits = String(value.magnitude)
  var groups: [String] = []
  while digits.count > 3 {
    groups.insert(String(digits.suffix(3)), at: 0)
    digits.removeLast(3)
  }
  return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// "1 worker", "2 workers".
package func count(_ value: Int, _ singular: String, _ plural: String? = nil) -> String {
  "\(grouped(value)) \(value == 1 ? singular : plural ?? singular + "s")"
}

/// Four decimal places, or four significant digits and an exponent if the value is very large or small.
package func format(_ value: Double) -> String {
  abs(value) >= 10_000 || (value != 0 && abs(value) < 0.001)
    ? String(format: "%.3e", value) : String(format: "%.4f", value)
}

/// Such as `8` or `0.1`.
package func bytes(_ value: Double) -> String {
  value == value.rounded() ? "\(Int(value))" : String(format: "%.1f", max(value, 0.1))
}

/// Such as `8.25 s`, `94.0 s`, `12:05 min` or `3:12:05 h`.
package func duration(_ seconds: Double) -> String {
  let total = Int(min(max(seconds, 0), 1e15).rounded())
  return switch seconds {
  case ..<9.995: String(format: "%.2f s", seconds)
  case ..<119.95: String(format: "%.1f s", seconds)
  case ..<3599.5: String(format: "%d:%02d min", total / 60, total % 60)
  default: String(format: "%d:%02d:%02d h", total / 3600, total / 60 % 60, total % 60)
  }
}

/// `text` with its control characters escaped.
package func oneLine(_ text: String) -> String {
  text.unicodeScalars.map {
    $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0)
  }.joined()
}

/// `rows` as aligned lines, the columns `numbers` to the right, with a line drawn after the first `titles` rows.
package func table(_ rows: [[String]], numbers: Set<Int> = [], titles: Int = 0) -> [String] {
  let columns = rows.map(\.count).max() ?? 0
  let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  var lines = rows.map { row in
    let cells = row.enumerated().map { column, text in
      let blanks = String(repeating: " ", count: widths[column] - text.count)
      return numbers.contains(column) ? blanks + text : text + blanks
    }
    let line = cells.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }
  if titles > 0 { lines.insert(String(repeating: "─", count: widths.reduce(2 * (columns - 1), +)), at: titles) }
  return lines
}

/// Quotes a field of CSV where needed (RFC 4180).
func csvField(_ text: String) -> String {
  let needsQuotes = text.unicodeScalars.contains { "\",\r\n".unicodeScalars.contains($0) }
  return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
}

/// `record` as a file of JSON for programs: with keys in snake case, sorted, and numbers that are not finite as words.
func jsonText(_ record: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
  return String(decoding: try encoder.encode(record), as: UTF8.self) + "\n"
}
