package import Schema

/// The name of a rule, and the values of its options and of its schedule's options, as a job holds them.
package struct OptimizerSettings: Equatable, Sendable {
  package let name: String
  /// The rule's own options, those of every rule and of outer steps, `schedule`, and the schedule's options.
  package let values: OptionValues
  /// Of `--parameter-group`.
  package let groups: [ParameterGroup]

  package var schedule: ScheduleKind { ScheduleKind(rawValue: values.text("schedule")) ?? .constant }

  /// η, before the schedule.
  package var learningRate: Double { values.ifGiven("learning-rate") ?? 0 }

  /// Whether the gradient noise scale is measured.
  package var measuresNoise: Bool { values.isOn(OptionDeclaration.noiseScale.name) }

  /// The updates from an outer step to the next; 0 without outer steps.
  package var outerEvery: Int { values.whole(OptionDeclaration.outerEvery.name) }

  /// Checks `given` and fills in the defaults.
  ///
  /// - Throws: ``OptionError`` for an unknown rule, an option that neither the rule nor the schedule has, or that goes
  ///   with outer steps and there are none, a value outside its range, or values that exclude each other.
  package init(_ name: String, given: [String: OptionValue]) throws {
    let rule = try OptimizerSettings.rule(name)
    let shown = Alternative(name, options: rule.alternative.options + [ScheduleKind.option])
    var values = try shown.values(given)
    let schedule = OptionValues(values).text("schedule")
    let scheduled = ScheduleKind.selector.alternative(schedule)?.options ?? []
    values.merge(try Alternative(name, options: scheduled).values(given)) { $1 }
    let outerEvery = OptionValues(values).whole(OptionDeclaration.outerEvery.name)
    let localSteps = OptionValues(values).whole(OptionDeclaration.localSteps.name)
    if localSteps > 1 {
      values.merge(
        try OptimizerSettings.localValues(name, steps: localSteps, given: given, outerEvery: outerEvery)
      ) { $1 }
    } else if let replicas = given["replicas"] {
      throw OptionError(
        "--replicas \(replicas.description) needs --local-steps, the steps that each takes before they are averaged")
    } else if outerEvery > 0 {
      values.merge(try Alternative(name, options: OptionDeclaration.ofOuterSteps).values(given)) { $1 }
    } else if let option = OptionDeclaration.ofOuterSteps.first(where: { given[$0.name] != nil }) {
      throw OptionError(
        "--\(option.name) needs --outer-every, the updates from an outer step to the next, or --local-steps")
    }
    for option in given.keys.sorted() where values[option] == nil {
      throw ScheduleKind.selector.owners(of: option).isEmpty
        ? OptimizerSettings.selector.misplaced(option, with: name)
        : ScheduleKind.selector.misplaced(option, with: schedule)
    }
    self.name = name
    self.values = OptionValues(values)
    groups =
      try values[OptionDeclaration.parameterGroup.name].map {
        try ParameterGroup.groups($0.description, of: rule)
      } ?? []
    if self.values["clip-value"] > 0 && self.values["clip-norm"] > 0 {
      throw OptionError("--clip-value and --clip-norm exclude each other")
    }
    if self.schedule == .hypergradient && !rule.hasHypergradient {
      let names = UpdateRules.registry.all.filter { $0.hasHypergradient }.map { $0.name }
      throw OptionError("--schedule hypergradient goes with \(names.joined(separator: " and ")), not with \(name)")
    }
    try rule.init(self.values).check()
    try checkGroups(rule)
    try checkAverage(rule)
    try checkLocalSteps(rule.init(self.values), stepIsWhole: rule.stepIsWhole)
  }

  /// - Parameter group: whose options replace the others; nil for tensors that are in none.
  package func rule(_ group: ParameterGroup? = nil) throws -> any UpdateRule {
    let rule = try OptimizerSettings.rule(name)
    let values = values(group)
    return outerEvery > 0 ? OptimizerSettings.withOuterSteps(rule).init(values) : rule.init(values)
  }

  func values(_ group: ParameterGroup?) -> OptionValues {
    OptionValues(values.values.merging(group?.values ?? [:]) { $1 })
  }

  /// - Throws: ``OptionError`` if a group's options are not compatible with the others, or change which slots and sums the
  ///   rule has, which all tensors share.
  private func checkGroups(_ rule: any UpdateRule.Type) throws {
    let shared = rule.init(values)
    for group in groups {
      let own = rule.init(values(group))
      do {
        try own.check()
      } catch let error as OptionError {
        throw OptionError("--\(OptionDeclaration.parameterGroup.name) '\(group.text)': \(error.description)")
      }
      // These follow a gradient of all parameters.
      let followed =
        schedule == .hypergradient
        ? ["learning-rate"] : values.values["blend"] == "auto" ? ["lambda", "lambda-rate"] : []
      if let option = followed.first(where: { group.values[$0] != nil }) {
        let cause = schedule == .hypergradient ? "--schedule hypergradient" : "--blend auto"
        throw OptionError(
          "--\(OptionDeclaration.parameterGroup.name) '\(group.text)': with \(cause) there is one \(option) for all parameters, which "
            + "follows their gradient; leave one of them out")
      }
      guard own.slots == shared.slots, own.sums == shared.sums else {
        throw OptionError(
          "--\(OptionDeclaration.parameterGroup.name) '\(group.text)': this changes what \(name) holds for each parameter, which "
            + "must be the same for all; give it as an option of the job")
      }
    }
  }

  private static func withOuterSteps<Rule: UpdateRule>(_ rule: Rule.Type) -> any UpdateRule.Type {
    OuterNesterov<Rule>.self
  }

  /// Whether each step of the rule called `name` must use all training examples.
  package static func stepIsWhole(_ name: String) -> Bool { (try? rule(name))?.stepIsWhole == true }

  /// Whether the rule called `name` averages the parameters itself.
  static func averages(_ name: String) -> Bool { (try? rule(name))?.averages == true }

  private static func rule(_ name: String) throws -> any UpdateRule.Type {
    let rules = UpdateRules.registry.all
    guard let rule = rules.first(where: { $0.name == name }) else {
      let known = rules.map { $0.name }
      throw OptionError(
        "--optimizer \(name): unknown optimizer; known are \(known.joined(separator: ", "))\(suggestion(name, known))")
    }
    return rule
  }

  /// The values of `--optimizer`, with their options.
  package static var selector: OptionSelector {
    OptionSelector("optimizer", UpdateRules.registry.all.map { $0.alternative })
  }

  /// All options of rules and schedules, in the order of help texts and job files; one of each name.
  package static var options: [OptionDeclaration] {
    selector.options + OptionDeclaration.ofOuterSteps + OptionDeclaration.ofLocalSteps + [ScheduleKind.option]
      + ScheduleKind.selector.options
  }
}

/// Options that are given for several rules at once.
extension OptimizerSettings {
  /// The options in `given` for the rule `name`. An option that the rule lacks is left out if another rule in `names`
  /// has it. Otherwise it stays, so that it is rejected.
  package static func part(
    of given: [String: OptionValue], for name: String, among names: [String]
  ) -> [String: OptionValue] {
    let selector = selector
    var part = given.filter { option, _ in
      let owners = selector.owners(of: option)
      return owners.contains(name) || !owners.contains { names.contains($0) }
    }
    // Others can take what does not go with a rule that averages by itself.
    if averages(name), !names.allSatisfy(averages) {
      for option in [OptionDeclaration.ema, .outerEvery] + OptionDeclaration.ofOuterSteps { part[option.name] = nil }
    }
    let groups = OptionDeclaration.parameterGroup.name
    part[groups] = part[groups].flatMap { ParameterGroup.part(of: $0.description, for: name, among: names) }
      .map { .text($0) }
    return part
  }

  /// A sentence without a full stop for each option that some of the rules lack.
  package static func notes(on given: [String: OptionValue], among names: [String]) -> [String] {
    let parts = names.map { part(of: given, for: $0, among: names) }
    return given.keys.sorted().compactMap { option in
      let lacking = zip(names, parts).filter { $1[option] == nil }.map(\.0)
      let having = names.filter { !lacking.contains($0) }
      guard !lacking.isEmpty else { return nil }
      return having.count <= lacking.count
        ? "--\(option) goes only to \(having.joined(separator: ", ")): the others have no such option"
        : "--\(option) goes to all but \(lacking.joined(separator: ", ")), which have no such option"
    }
  }
}
