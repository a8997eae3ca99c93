internal import Foundation

/// JSON of a number; null if it is not finite.
func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

/// JSON of a text.
func quoted(_ text: String) -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .withoutEscapingSlashes
  // A String can always be encoded.
  return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
}

/// JSON of a value whose keys become snake_case; null without one.
func json(_ value: (some Encodable)?) throws -> String {
  guard let value else { return "null" }
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
