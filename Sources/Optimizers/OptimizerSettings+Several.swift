extension OptimizerSettings {
  /// The value of the hyperparameter `name` that `text` says; nil where there is no hyperparameter of that name.
  ///
  /// - Throws: ``OptimizerError`` where the text says none.
  package static func value(of name: String, _ text: String) throws -> Double? {
    guard let hyperparameter = allHyperparameters.first(where: { $0.name == name }) else { return nil }
    guard let value = hyperparameter.value(of: text) else {
      throw OptimizerError(description: "--\(name) \(text): it must be \(hyperparameter.allowed.description)")
    }
    return value
  }

  /// What of `given`, which is meant for several rules, goes to the rule `name`: of the hyperparameters that some rules
  /// lack, those that it has.
  ///
  /// - Parameter names: the rules. What none of them has goes to each, to be refused.
  package static func part(of given: [String: Double], for name: String, among names: [String]) -> [String: Double] {
    let schedule = Set(ScheduleKind.allCases.flatMap(\.hyperparameters).map(\.name))
    func own(_ rule: String) -> Set<String> {
      Set(RuleRegistry.all.first { $0.name == rule }.map { hyperparameters(of: $0).map(\.name) } ?? [])
    }
    let mine = own(name)
    let all = names.reduce(into: Set<String>()) { $0.formUnion(own($1)) }
    return given.filter { option, _ in mine.contains(option) || schedule.contains(option) || !all.contains(option) }
  }

  /// Which rules lack an option that others have, a sentence an option, without a full stop.
  package static func notes(on given: [String: Double], among names: [String]) -> [String] {
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
