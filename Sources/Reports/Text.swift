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

/// Four significant places, without an exponent where that is readable.
package func format(_ value: Double) -> String {
  abs(value) >= 10_000 || (value != 0 && abs(value) < 0.001)
    ? String(format: "%.3e", value) : String(format: "%.4f", value)
}

/// Seconds as a reader takes them in.
package func duration(_ seconds: Double) -> String {
  switch seconds {
  case ..<9.995: String(format: "%.2f s", seconds)
  case ..<119.95: String(format: "%.1f s", seconds)
  default: "\(Int(seconds.rounded()) / 60):" + String(format: "%02d min", Int(seconds.rounded()) % 60)
  }
}

/// `text` with its control characters spelled out.
package func oneLine(_ text: String) -> String {
  text.unicodeScalars.map {
    $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0)
  }.joined()
}

/// `rows` as aligned lines, the columns `numbers` to the right.
package func table(_ rows: [[String]], numbers: Set<Int> = []) -> String {
  let columns = rows.map(\.count).max() ?? 0
  let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  return rows.map { row in
    let cells = row.enumerated().map { column, text in
      let blanks = String(repeating: " ", count: widths[column] - text.count)
      return numbers.contains(column) ? blanks + text : text + blanks
    }
    let line = cells.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }.joined(separator: "\n")
}
