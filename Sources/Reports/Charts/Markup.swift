/// A piece of SVG or HTML that is also well-formed XML. Texts are escaped.
package struct Markup: Equatable, Sendable, CustomStringConvertible {
  package let description: String

  /// `source`, such as a style sheet, is not escaped.
  package init(source: String) {
    description = source
  }

  package static func text(_ text: String) -> Markup { Markup(source: escaped(text)) }

  /// Attributes whose value is nil are left out.
  package static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ content: [Markup] = []
  ) -> Markup {
    let attributes = attributes.compactMap { name, value in value.map { " \(name)=\"\(escaped($0))\"" } }.joined()
    // In HTML only void elements may be closed like this.
    if content.isEmpty && ["meta", "br", "hr"].contains(name) { return Markup(source: "<\(name)\(attributes)/>") }
    return Markup(source: "<\(name)\(attributes)>\(content.map(\.description).joined())</\(name)>")
  }

  package static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ text: String
  ) -> Markup {
    element(name, attributes, [.text(text)])
  }

  /// Characters that XML does not allow become the replacement character.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
      case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// `value` with two decimal places.
package func coordinate(_ value: Double) -> String {
  guard value.isFinite else { return "0" }
  let hundredths = (min(max(value, -1e6), 1e6) * 100).rounded() / 100
  return hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
}

/// `text` in at most `limit` characters.
package func shortened(_ text: String, to limit: Int) -> String {
  text.count <= limit ? text : text.prefix(max(limit - 1, 1)) + "…"
}
