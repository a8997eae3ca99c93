/// A setting that a user can give, declared once by the code that needs it.
///
/// The flag, its help, the key in job files, the environment variable, what workers and checkpoints receive, and the
/// comparison when a run is resumed all follow from the declaration.
public struct OptionDeclaration: Sendable {
  /// The type and range of an option's values.
  public enum Kind: Equatable, Sendable {
    /// A finite number in the range.
    case real(RealRange)
    /// A whole number in the range.
    case whole(ClosedRange<UInt64>)
    /// yes or no.
    case flag
    /// On if it is given; it takes no value.
    case toggle
    /// One of these words.
    case choice([String])
    /// Whole numbers, each within the range, separated by commas.
    case sizes(ClosedRange<Int>)
    /// Numbers, each in the range, separated by commas.
    case numbers(RealRange)
    /// Any text that is not empty.
    case text
    /// A file's or a folder's path.
    case path
  }

  /// Its name without dashes, such as `beta1`.
  public let name: String
  /// A sentence for the help.
  public let help: String
  /// Its type and range.
  public private(set) var kind: Kind
  /// The value if none is given; nil if there is none, or if it depends on something else.
  public let defaultValue: OptionValue?
  /// The help's description of a default that is not a fixed value.
  public let defaultText: String?
  /// The placeholder for the value in the help, such as `number`.
  public let valueName: String
  /// The option that cannot be given together with this one; nil for none.
  public let excludes: String?
  /// Whether the result of a run depends on it.
  public let decides: Bool
  /// Words that a list may be in place of numbers.
  public private(set) var words: [String] = []
  /// What stands between values if the option is given several times; nil if it may be given once.
  public private(set) var separator: String?
  /// Other spellings of a choice's words, with the words that they stand for.
  public private(set) var aliases: [String: String] = [:]

  /// This declaration, with the words of `other` too if both are choices.
  func accepting(_ other: OptionDeclaration) -> OptionDeclaration {
    guard case .choice(let words) = kind, case .choice(let others) = other.kind else { return self }
    var both = self
    both.kind = .choice(words + others.filter { !words.contains($0) })
    return both
  }

  private init(
    _ name: String, _ kind: Kind, _ defaultValue: OptionValue?, _ defaultText: String?, _ valueName: String,
    _ excludes: String?, _ decides: Bool, _ help: String
  ) {
    (self.name, self.kind, self.defaultValue, self.defaultText) = (name, kind, defaultValue, defaultText)
    (self.valueName, self.excludes, self.decides, self.help) = (valueName, excludes, decides, help)
  }

  /// An option whose value is a number in `range`.
  public static func real(
    _ name: String, default value: Double? = nil, _ range: RealRange, valueName: String = "number",
    defaultText: String? = nil, decides: Bool = true, _ help: String
  ) -> OptionDeclaration {
    OptionDeclaration(name, .real(range), value.map { .real($0) }, defaultText, valueName, nil, decides, help)
  }

  /// An option whose value is a whole number in `range`.
  public static func whole(
    _ name: String, default value: UInt64? = nil, _ range: ClosedRange<UInt64>, valueName: String = "count",
    defaultText: String? = nil, excludes: String? = nil, decides: Bool = true, _ help: String
  ) -> OptionDeclaration {
    OptionDeclaration(name, .whole(range), value.map { .whole($0) }, defaultText, valueName, excludes, decides, help)
  }

  /// An option whose value is yes or no.
  public static func flag(_ name: String, default value: Bool, _ help: String) -> OptionDeclaration {
    OptionDeclaration(name, .flag, .flag(value), nil, "yes/no", nil, true, help)
  }

  /// An option without a value, on if it is given. It must not affect the result of a run.
  public static func toggle(_ name: String, _ help: String) -> OptionDeclaration {
    OptionDeclaration(name, .toggle, nil, nil, "", nil, false, help)
  }

  /// An option whose value is one of `words`.
  public static func choice(
    _ name: String, default value: String? = nil, _ words: [String], valueName: String = "name",
    defaultText: String? = nil, aliases: [String: String] = [:], decides: Bool = true, _ help: String
  ) -> OptionDeclaration {
    var option = OptionDeclaration(
      name, .choice(words), value.map { .text($0) }, defaultText, valueName, nil, decides, help)
    option.aliases = aliases
    return option
  }

  /// An option whose value is a list of whole numbers in `range`, separated by commas.
  public static func sizes(
    _ name: String, default value: [Int]? = nil, _ range: ClosedRange<Int>, _ help: String
  ) -> OptionDeclaration {
    OptionDeclaration(
      name, .sizes(range), value.map { .text($0.map(String.init).joined(separator: ",")) }, nil, "list", nil, true,
      help)
  }

  /// An option whose value is a list of numbers in `range`, separated by commas.
  ///
  /// - Parameter words: other values, which stand for lists.
  public static func numbers(
    _ name: String, _ range: RealRange, or words: [String] = [], _ help: String
  ) -> OptionDeclaration {
    var option = OptionDeclaration(name, .numbers(range), nil, nil, "list", nil, true, help)
    option.words = words
    return option
  }

  /// An option whose value is the path of a file or a folder.
  public static func path(
    _ name: String, valueName: String = "file", defaultText: String? = nil, decides: Bool = true, _ help: String
  ) -> OptionDeclaration {
    OptionDeclaration(name, .path, nil, defaultText, valueName, nil, decides, help)
  }

  /// An option whose value is any text that is not empty.
  ///
  /// - Parameter separator: what stands between the texts of an option that may be given several times.
  public static func text(
    _ name: String, default value: String? = nil, valueName: String, defaultText: String? = nil,
    separator: String? = nil, decides: Bool = true, _ help: String
  ) -> OptionDeclaration {
    var option = OptionDeclaration(name, .text, value.map { .text($0) }, defaultText, valueName, nil, decides, help)
    option.separator = separator
    return option
  }
}

/// The range of a number.
public enum RealRange: Equatable, Sendable {
  /// 0 ≤ x < 1.
  case fraction
  /// 0 ≤ x ≤ 1.
  case share
  /// 0 < x. Also positive and finite in float32, which the kernels compute in.
  case positive
  /// 0, or as ``positive``.
  case notNegative
  /// 0 < x ≤ the limit.
  case above0(upTo: Double)
  /// Both bounds are included.
  case within(ClosedRange<Double>)

  func contains(_ value: Double) -> Bool {
    switch self {
    case .fraction: value >= 0 && value < 1
    case .share: value >= 0 && value <= 1
    case .positive: Float(value) > 0 && Float(value) < .infinity
    case .notNegative: value == 0 || Float(value) > 0 && Float(value) < .infinity
    case .above0(let limit): value > 0 && value <= limit
    case .within(let range): range.contains(value)
    }
  }

  /// A phrase for help and errors, such as "from 0 to 1".
  public var description: String {
    switch self {
    case .fraction: "at least 0 and below 1"
    case .share: "from 0 to 1"
    case .positive: "above 0, and representable in float32"
    case .notNegative: "at least 0, and representable in float32"
    case .above0(let limit): "above 0, and at most \(OptionValue.real(limit).description)"
    case .within(let range):
      "from \(OptionValue.real(range.lowerBound).description) to \(OptionValue.real(range.upperBound).description)"
    }
  }
}

extension OptionDeclaration {
  /// The allowed values as a phrase for help and errors.
  public var allowed: String {
    switch kind {
    case .real(let range): range.description
    case .whole(let range):
      "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .flag, .toggle: "yes or no"
    case .choice(let words): "one of " + words.joined(separator: ", ")
    case .sizes(let range): "whole numbers from \(range.lowerBound) to \(range.upperBound), separated by commas"
    case .numbers(let range):
      "numbers, each \(range.description), separated by commas" + words.map { ", or \($0)" }.joined()
    case .text: "a text"
    case .path: "a path"
    }
  }

  /// Parses a user's `text`. The range of real numbers is left to ``check(_:)``.
  ///
  /// - Throws: ``OptionError`` if `text` is not a value of the option.
  public func value(of text: String) throws(OptionError) -> OptionValue {
    switch kind {
    case .real:
      guard let number = Double(text), number.isFinite else {
        throw OptionError("--\(name) \(text): it must be \(allowed)")
      }
      return .real(number)
    case .whole:
      guard let number = UInt64(text), check(.whole(number)) != nil else {
        throw OptionError("--\(name) \(text): \(allowed) is needed")
      }
      return .whole(number)
    case .flag, .toggle:
      let words = [
        "yes": true, "true": true, "1": true, "on": true, "no": false, "false": false, "0": false, "off": false,
      ]
      guard let isOn = words[text.lowercased()] else { throw OptionError("--\(name) \(text): it must be \(allowed)") }
      return .flag(isOn)
    case .choice(let words):
      if let word = aliases[text] { return .text(word) }
      guard words.contains(text) else {
        throw OptionError("--\(name) \(text): known are \(words.joined(separator: ", "))\(suggestion(text, words))")
      }
      return .text(text)
    case .sizes:
      for part in text.split(separator: ",", omittingEmptySubsequences: false) where check(.text(String(part))) == nil {
        throw OptionError("--\(name) \(text): '\(part)' is no \(name) size; \(allowed), are needed, as in 256,128")
      }
      return .text(text)
    case .numbers where words.contains(text): return .text(text)
    case .numbers:
      for part in text.split(separator: ",", omittingEmptySubsequences: false) where check(.text(String(part))) == nil {
        throw OptionError("--\(name) \(text): '\(part)' is none of the \(allowed), as in 1,2.5")
      }
      return .text(text)
    case .text, .path:
      guard !text.isEmpty else { throw OptionError("--\(name): a value is needed") }
      return .text(text)
    }
  }

  /// `value` converted to the option's kind; nil if it is none of its values. Files of former versions hold a flag as 0
  /// or 1 and a choice as its index in the list, so words may be added only at the list's end.
  public func check(_ value: OptionValue) -> OptionValue? {
    switch (kind, value) {
    case (.real(let range), _): value.number.flatMap { range.contains($0) ? .real($0) : nil }
    case (.whole(let range), .whole(let number)): range.contains(number) ? value : nil
    case (.whole(let range), .real(let number)):
      UInt64(exactly: number).flatMap { range.contains($0) ? .whole($0) : nil }
    case (.flag, .flag), (.toggle, .flag): value
    case (.flag, _): value.number == 0 ? .flag(false) : value.number == 1 ? .flag(true) : nil
    case (.choice(let words), .text(let text)): words.contains(text) ? value : nil
    case (.choice(let words), _):
      value.number.flatMap { Int(exactly: $0) }.flatMap { words.indices.contains($0) ? .text(words[$0]) : nil }
    case (.sizes(let range), .text(let text)):
      text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { Int($0).map(range.contains) == true }
        ? value : nil
    case (.numbers, .text(let text)) where words.contains(text): value
    case (.numbers(let range), .text(let text)):
      text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy {
        Double($0).map(range.contains) == true
      } ? value : nil
    case (.numbers(let range), _): value.number.flatMap { range.contains($0) ? .text(value.description) : nil }
    case (.text, .text(let text)), (.path, .text(let text)): text.isEmpty ? nil : value
    default: nil
    }
  }
}

/// Values of options, which must have been checked.
public struct OptionValues: Equatable, Sendable {
  /// Keys are the options' names.
  public var values: [String: OptionValue]

  /// Keys are the options' names.
  public init(_ values: [String: OptionValue]) { self.values = values }

  /// The number `name`. Traps if there is none.
  public subscript(name: String) -> Double {
    guard let value = values[name]?.number else { preconditionFailure("no number '\(name)' is declared") }
    return value
  }

  /// The whole number `name`, or ``Int/max`` if it is larger. Traps if there is none.
  public func whole(_ name: String) -> Int { Int(exactly: self[name].rounded()) ?? .max }

  /// Whether the flag `name` is on.
  public func isOn(_ name: String) -> Bool { values[name] == .flag(true) }

  /// The text or word `name`. Traps if there is none.
  public func text(_ name: String) -> String {
    guard case .text(let text) = values[name] else { preconditionFailure("no text '\(name)' is declared") }
    return text
  }

  /// The whole numbers of the list `name`. Traps if there is none.
  public func sizes(_ name: String) -> [Int] { text(name).split(separator: ",").compactMap { Int($0) } }

  /// The numbers of the list `name`; empty if there is none.
  public func numbers(_ name: String) -> [Double] {
    guard values[name] != nil else { return [] }
    return text(name).split(separator: ",").compactMap { Double($0) }
  }

  /// The number `name`; nil if there is none.
  public func ifGiven(_ name: String) -> Double? { values[name]?.number }
}
