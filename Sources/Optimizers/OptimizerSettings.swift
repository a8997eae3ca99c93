/// Why a rule cannot be made.
package struct OptimizerError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  package let description: String
}

/// A rule by name, its schedule, and a value for each of their hyperparameters; what a job holds.
package struct OptimizerSettings: Equatable, Sendable {
  /// The rule's name.
  package let name: String
  /// A value for each of its hyperparameters, of the common ones, and of its schedule's.
  package let values: [String: Double]

  /// Checks `given` and fills in the defaults.
  ///
  /// - Throws: ``OptimizerError`` for an unknown rule, a hyperparameter that it does not have, or a value outside its
  ///   range.
  package init(_ name: String, given: [String: Double]) throws {
    let rules = RuleRegistry.all
    guard let rule = rules.first(where: { $0.name == name }) else {
      throw OptimizerError(
        description:
          "--optimizer \(name): unknown optimizer; known are \(rules.map { $0.name }.joined(separator: ", "))")
    }
    let schedule = ScheduleKind.chosen(in: given)
    let own = OptimizerSettings.hyperparameters(of: rule) + schedule.hyperparameters
    var values: [String: Double] = [:]
    for hyperparameter in own {
      let value = given[hyperparameter.name] ?? hyperparameter.defaultValue
      guard hyperparameter.allowed.contains(value) else {
        throw OptimizerError(
          description:
            "--\(hyperparameter.name) \(value): for \(name) it must be \(hyperparameter.allowed.description)")
      }
      values[hyperparameter.name] = value
    }
    for option in given.keys.sorted() where values[option] == nil {
      throw OptimizerError(description: OptimizerSettings.misplaced(option, name, schedule, rules))
    }
    if values["clip-value"]! > 0 && values["clip-norm"]! > 0 {
      throw OptimizerError(description: "--clip-value and --clip-norm exclude each other")
    }
    if schedule == .hypergradient && !rule.hasHypergradient {
      let names = rules.filter { $0.hasHypergradient }.map { $0.name }
      throw OptimizerError(
        description: "--schedule hypergradient goes with \(names.joined(separator: " and ")), not with \(name)")
    }
    self.name = name
    self.values = values
    try rule.init(HyperparameterValues(values)).check()
  }

  /// Says which rule or schedule has an option that this one does not have.
  private static func misplaced(
    _ option: String, _ name: String, _ schedule: ScheduleKind, _ rules: [any UpdateRule.Type]
  ) -> String {
    let schedules = ScheduleKind.allCases.filter { $0.hyperparameters.contains { $0.name == option } }
    if !schedules.isEmpty {
      return "--\(option) does not go with --schedule \(schedule.rawValue); it belongs to "
        + schedules.map(\.rawValue).joined(separator: ", ")
    }
    let owners = rules.filter { hyperparameters(of: $0).contains { $0.name == option } }.map { $0.name }
    return "--\(option) does not go with --optimizer \(name)"
      + (owners.isEmpty ? "" : "; it belongs to \(owners.joined(separator: ", "))")
  }

  /// A rule's own hyperparameters, then those that all rules have.
  package static func hyperparameters(of rule: any UpdateRule.Type) -> [Hyperparameter] {
    rule.hyperparameters + rule.weightDecay.hyperparameters + [
      Hyperparameter("decay-biases", default: true), Hyperparameter("clip-value", default: 0, .notNegative),
      Hyperparameter("clip-norm", default: 0, .notNegative),
    ]
  }

  /// All hyperparameters there are, in the order of help texts and job files; one of each name.
  package static var allHyperparameters: [Hyperparameter] {
    (RuleRegistry.all.flatMap { hyperparameters(of: $0) } + ScheduleKind.allCases.flatMap(\.hyperparameters))
      .reduce(into: []) { all, next in if !all.contains(where: { $0.name == next.name }) { all.append(next) } }
  }

  /// The rule itself.
  package func rule() throws -> any UpdateRule {
    guard let rule = RuleRegistry.all.first(where: { $0.name == name }) else {
      throw OptimizerError(description: "unknown optimizer \(name)")
    }
    return rule.init(HyperparameterValues(values))
  }

  /// η, before the schedule.
  package var learningRate: Double { values["learning-rate"] ?? 0 }
}
