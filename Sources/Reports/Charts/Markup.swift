/// A piece of SVG or HTML that is well-formed XML as well: whatever text it shows is escaped.
package struct Markup: Equatable, Sendable, CustomStringConvertible {
  /// Its source.
  package let description: String

  /// Source that is taken as it is, such as a style sheet.
  package init(source: String) {
    description = source
  }

  /// A text.
  package static func text(_ text: String) -> Markup { Markup(source: escaped(text)) }

  /// An element; attributes without a value are left out.
  package static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ content: [Markup] = []
  ) -> Markup {
    let attributes = attributes.compactMap { name, value in value.map { " \(name)=\"\(escaped($0))\"" } }.joined()
    // HTML closes only its void elements like this.
    if content.isEmpty && ["meta", "br", "hr"].contains(name) { return Markup(source: "<\(name)\(attributes)/>") }
    return Markup(source: "<\(name)\(attributes)>\(content.map(\.description).joined())</\(name)>")
  }

  /// An element that holds a text.
  package static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ text: String
  ) -> Markup {
    element(name, attributes, [.text(text)])
  }

  /// `text` as XML spells it. Characters that XML does not know become the replacement character.
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

/// A coordinate, to a hundredth.
package func coordinate(_ value: Double) -> String {
  guard value.isFinite else { return "0" }
  let hundredths = (min(max(value, -1e6), 1e6) * 100).rounded() / 100
  return hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
}

/// `text` in at most `limit` characters.
package func shortened(_ text: String, to limit: Int) -> String {
  text.count <= limit ? text : text.prefix(max(limit - 1, 1)) + "…"
}
