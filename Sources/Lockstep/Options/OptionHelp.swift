internal import Datasets
internal import Models
internal import Optimizers
internal import Schema

/// The help of an option: its sentence and its defaults.
enum OptionHelp {
  private static let selectors = [
    DataSources.selector, ModelKinds.registry.all.selector, Losses.selector, OptimizerSettings.selector,
    ScheduleKind.selector,
  ]

  static func text(of option: OptionDeclaration) -> String {
    defaults(of: option).map { "\(option.help) (\($0))" } ?? option.help
  }

  /// Such as `default: 128`, or `momentum, nesterov: 0.9; rmsprop: 0` if it depends on the rule; nil for none.
  static func defaults(of option: OptionDeclaration) -> String? {
    if let text = option.defaultText { return "default: \(text)" }
    for selector in selectors {
      let owners = selector.alternatives.compactMap { alternative in
        alternative.options.first { $0.name == option.name }.map { (alternative.name, $0.defaultValue?.description) }
      }
      guard !owners.isEmpty else { continue }
      var names: [String: [String]] = [:]
      var values: [String] = []
      for (name, value) in owners {
        guard let value else { continue }
        if names[value] == nil { values.append(value) }
        names[value, default: []].append(name)
      }
      if values.isEmpty { return owners.map(\.0).joined(separator: ", ") }
      if values.count == 1, owners.count == selector.alternatives.count { break }
      return values.map { "\(names[$0]!.joined(separator: ", ")): \($0)" }.joined(separator: "; ")
    }
    return option.defaultValue.map { "default: \($0.description)" }
  }
}
