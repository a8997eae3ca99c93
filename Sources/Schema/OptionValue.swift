/// The value of an option, as JSON has it.
package enum OptionValue: Hashable, Sendable {
  /// yes or no.
  case flag(Bool)
  /// A whole number from 0 on.
  case whole(UInt64)
  /// Any other number.
  case real(Double)
  /// A name, a path, a list.
  case text(String)
}

extension OptionValue: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let whole = try? container.decode(UInt64.self) {
      self = .whole(whole)
    } else if let real = try? container.decode(Double.self) {
      self = .real(real)
    } else {
      self = .text(try container.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .flag(let value): try container.encode(value)
    case .whole(let value): try container.encode(value)
    case .real(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    }
  }
}
