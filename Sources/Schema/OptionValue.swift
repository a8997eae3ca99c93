/// The value of an option as JSON files hold it: a choice is its word, a list is its text.
public enum OptionValue: Hashable, Sendable {
  /// yes or no.
  case flag(Bool)
  /// A whole number, at least 0.
  case whole(UInt64)
  /// Any other number.
  case real(Double)
  /// A word, a path, a list.
  case text(String)

  /// The value as a number; nil for flags and texts.
  public var number: Double? {
    switch self {
    case .whole(let value): Double(value)
    case .real(let value): value
    case .flag, .text: nil
    }
  }

  /// The value as a user would write it.
  public var description: String {
    switch self {
    case .flag(let value): value ? "yes" : "no"
    case .whole(let value): "\(value)"
    case .real(let value): value.rounded() == value && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    case .text(let value): value
    }
  }
}

extension OptionValue: Codable {
  /// Reads a JSON boolean, number or string.
  public init(from decoder: any Decoder) throws {
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

  /// Writes a JSON boolean, number or string.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .flag(let value): try container.encode(value)
    case .whole(let value): try container.encode(value)
    case .real(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    }
  }
}

extension OptionValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral
{
  /// yes or no.
  public init(booleanLiteral value: Bool) { self = .flag(value) }
  /// A whole number, or a real one if `value` is negative.
  public init(integerLiteral value: Int) { self = value < 0 ? .real(Double(value)) : .whole(UInt64(value)) }
  /// A real number.
  public init(floatLiteral value: Double) { self = .real(value) }
  /// A word, a path, a list.
  public init(stringLiteral value: String) { self = .text(value) }
}
