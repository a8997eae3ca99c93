/// A value that a rule or a schedule is tuned by: a number, a switch, or a choice. All are kept as numbers: a switch as 0
/// or 1, a choice as its place in the list.
package struct Hyperparameter: Sendable {
  /// What options and job files call it, such as `beta1`.
  package let name: String
  /// What it is unless said.
  package let defaultValue: Double
  /// Which values make sense.
  package let allowed: Allowed

  /// Which values make sense.
  package enum Allowed: Sendable, Equatable {
    /// 0 ≤ x < 1.
    case fraction
    /// 0 ≤ x ≤ 1.
    case share
    /// 0 < x, finite, in float32 too, which the kernels compute in.
    case positive
    /// 0 ≤ x, finite, in float32 too.
    case notNegative
    /// 1 ≤ x, finite.
    case atLeastOne
    /// 0, 1, 2, …
    case whole
    /// yes or no.
    case flag
    /// One of these words.
    case choice([String])

    func contains(_ value: Double) -> Bool {
      switch self {
      case .fraction: value >= 0 && value < 1
      case .share: value >= 0 && value <= 1
      case .positive: Float(value) > 0 && Float(value) < .infinity
      case .notNegative: value == 0 || Float(value) > 0 && Float(value) < .infinity
      case .atLeastOne: value >= 1 && value < .infinity
      case .whole: value >= 0 && value <= 0x1p48 && value.rounded() == value
      case .flag: value == 0 || value == 1
      case .choice(let words): words.indices.contains { Double($0) == value }
      }
    }

    /// The values in words.
    package var description: String {
      switch self {
      case .fraction: "at least 0 and below 1"
      case .share: "from 0 to 1"
      case .positive: "above 0, and representable in float32"
      case .notNegative: "at least 0, and representable in float32"
      case .atLeastOne: "at least 1"
      case .whole: "a whole number from 0 on"
      case .flag: "yes or no"
      case .choice(let words): "one of " + words.joined(separator: ", ")
      }
    }
  }

  /// A hyperparameter.
  package init(_ name: String, default defaultValue: Double, _ allowed: Allowed) {
    self.name = name
    self.defaultValue = defaultValue
    self.allowed = allowed
  }

  /// A switch.
  package init(_ name: String, default isOn: Bool) {
    self.init(name, default: isOn ? 1 : 0, .flag)
  }

  /// The value that `text` names, or nil where it names none. The range is checked by ``OptimizerSettings``.
  package func value(of text: String) -> Double? {
    switch allowed {
    case .flag: ["no": 0, "yes": 1, "false": 0, "true": 1][text]
    case .choice(let words): words.firstIndex(of: text).map(Double.init)
    default: Double(text).flatMap { $0.isFinite ? $0 : nil }
    }
  }

  /// `value` as a user would write it.
  package func text(_ value: Double) -> String {
    switch allowed {
    case .flag: value == 0 ? "no" : "yes"
    case .choice(let words): words[Int(value)]
    default: value.rounded() == value && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }
  }
}

/// The values that a rule or a schedule is made with.
package struct HyperparameterValues: Sendable {
  private let values: [String: Double]

  init(_ values: [String: Double]) {
    self.values = values
  }

  /// The value of `name`, which is one of those declared.
  package subscript(name: String) -> Double {
    guard let value = values[name] else { preconditionFailure("no hyperparameter '\(name)' is declared") }
    return value
  }

  /// Whether the switch `name` is on.
  package func isOn(_ name: String) -> Bool { self[name] != 0 }

  /// The value of `name` where there is one.
  func ifGiven(_ name: String) -> Double? { values[name] }
}
