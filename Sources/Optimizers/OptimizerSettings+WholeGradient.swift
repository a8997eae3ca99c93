internal import Schema

extension OptimizerSettings {
  /// The options because of which no parameter can be updated before the whole gradient is known
  /// (``Optimizer/needsWholeGradient``), as a user writes them; empty if each range can be updated on its own.
  package func wholeGradientCauses() throws -> [String] {
    let clipping = (values["clip-norm"] > 0 ? ["--clip-norm"] : []) + (measuresNoise ? ["--noise-scale"] : [])
    return try rule().sums == .none ? clipping : clipping + [causeOfSums()]
  }

  /// The rule needs sums by its nature, or because of the schedule or one of its words, such as `--blend auto`: then it
  /// needs none with the default in place of that.
  private func causeOfSums() throws -> String {
    func needsSums(without dropped: [String]) throws -> Bool {
      let rest = values.values.filter { !dropped.contains($0.key) }
      return try OptimizerSettings(name, given: rest).rule().sums != .none
    }
    let ofSchedules = [ScheduleKind.option.name] + ScheduleKind.selector.options.map(\.name)
    if try !needsSums(without: ofSchedules) { return "--\(ScheduleKind.option.name) \(schedule.rawValue)" }
    for option in OptimizerSettings.selector.alternative(name)?.options ?? [] {
      guard case .choice = option.kind, values.values[option.name] != nil else { continue }
      if try !needsSums(without: [option.name]) { return "--\(option.name) \(values.text(option.name))" }
    }
    return "--\(OptimizerSettings.selector.name) \(name)"
  }
}
