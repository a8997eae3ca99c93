/// A number that a rule is tuned by.
public struct Hyperparameter: Sendable {
  /// What options and job files call it, such as `beta1`.
  public let name: String
  /// What it is unless said.
  public let defaultValue: Double
  /// Which values make sense.
  public let allowed: Allowed

  /// Which values make sense.
  public enum Allowed: Sendable {
    /// 0 ≤ x < 1.
    case fraction
    /// 0 < x, finite, in float32 too, which the kernels compute in.
    case positive

    func contains(_ value: Double) -> Bool {
      switch self {
      case .fraction: value >= 0 && value < 1
      case .positive: Float(value) > 0 && Float(value) < .infinity
      }
    }

    /// The values in words.
    public var description: String {
      switch self {
      case .fraction: "at least 0 and below 1"
      case .positive: "above 0, and representable in float32"
      }
    }
  }

  /// A hyperparameter.
  public init(_ name: String, default defaultValue: Double, _ allowed: Allowed) {
    self.name = name
    self.defaultValue = defaultValue
    self.allowed = allowed
  }
}

/// A value for each of a rule's hyperparameters.
public struct HyperparameterValues: Sendable {
  private let values: [String: Double]

  init(_ values: [String: Double]) {
    self.values = values
  }

  /// The value of `name`, which is one of the rule's own.
  public subscript(name: String) -> Double {
    guard let value = values[name] else { preconditionFailure("the rule does not declare a hyperparameter '\(name)'") }
    return value
  }
}

/// Why a rule cannot be made.
public struct OptimizerError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  public let description: String
}

/// A rule by name with the values that were given for it; what a job holds.
public struct OptimizerSettings: Equatable, Sendable {
  /// The rule's name.
  public let name: String
  /// A value for each of its hyperparameters, the learning rate among them.
  public let values: [String: Double]

  /// Checks `given` and fills in the defaults.
  ///
  /// - Throws: ``OptimizerError`` for an unknown rule, a hyperparameter that it does not have, or a value outside its range.
  public init(_ name: String, given: [String: Double], rules: [any UpdateRule.Type] = builtInRules) throws {
    guard let rule = rules.first(where: { $0.name == name }) else {
      throw OptimizerError(
        description:
          "--optimizer \(name): unknown optimizer; known are \(rules.map { $0.name }.joined(separator: ", "))")
    }
    for option in given.keys.sorted() where !rule.hyperparameters.contains(where: { $0.name == option }) {
      let owners = rules.filter { $0.hyperparameters.contains { $0.name == option } }.map { $0.name }
      throw OptimizerError(
        description: "--\(option) does not go with --optimizer \(name)"
          + (owners.isEmpty ? "" : "; it belongs to \(owners.joined(separator: ", "))"))
    }
    var values: [String: Double] = [:]
    for hyperparameter in rule.hyperparameters {
      let value = given[hyperparameter.name] ?? hyperparameter.defaultValue
      guard hyperparameter.allowed.contains(value) else {
        throw OptimizerError(
          description: "--\(hyperparameter.name) \(value): for \(name) it must be \(hyperparameter.allowed.description)"
        )
      }
      values[hyperparameter.name] = value
    }
    self.name = name
    self.values = values
  }

  /// The rule itself.
  public func rule(from rules: [any UpdateRule.Type] = builtInRules) throws -> any UpdateRule {
    guard let rule = rules.first(where: { $0.name == name }) else {
      throw OptimizerError(description: "unknown optimizer \(name)")
    }
    return rule.init(HyperparameterValues(values))
  }

  /// η.
  public var learningRate: Double { values["learning-rate"] ?? 0 }
}

/// The rules that come with the trainer.
public let builtInRules: [any UpdateRule.Type] = [Adam.self, RMSprop.self]
