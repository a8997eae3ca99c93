internal import ArgumentParser
internal import Foundation
internal import Schema

/// Reads options of `coordinator` and `worker` from the environment, for schedulers and containers:
/// `LOCKSTEP_SILENCE_LIMIT` for `--silence-limit`, and so on. The command line takes precedence.
struct EnvironmentOptions {
  /// The command line with these options.
  let arguments: [String]
  /// The variables that were used, and their options.
  private(set) var variables: [(variable: String, option: String)] = []
  /// A sentence for each variable that seems to be meant for an option and names none.
  private(set) var doubts: [String] = []

  private static let commands: [any ParsableCommand.Type] = [
    CoordinatorCommand.self, WorkerCommand.self, RelayCommand.self,
  ]

  /// - Throws: `ValidationError` if a toggle's variable is neither yes nor no.
  init(_ given: [String], environment: [String: String]) throws {
    guard let name = given.first,
      let command = EnvironmentOptions.commands.first(where: { $0.configuration.commandName == name })
    else {
      arguments = given
      return
    }
    var added: [String] = []
    for option in command.declared {
      let variable = EnvironmentOptions.variable(of: option.name)
      guard let value = environment[variable], !value.isEmpty,
        !given.contains(where: { $0 == "--\(option.name)" || $0.hasPrefix("--\(option.name)=") })
      else { continue }
      if option.kind == .toggle {
        switch value.lowercased() {
        case "1", "true", "yes", "on": added.append("--\(option.name)")
        case "0", "false", "no", "off": continue
        default: throw ValidationError("\(variable)=\(value): a flag's variable is 1 or 0")
        }
      } else {
        added.append("--\(option.name)=\(value)")
      }
      variables.append((variable, option.name))
    }
    arguments = [name] + added + given.dropFirst()
    let known = EnvironmentOptions.commands.flatMap { $0.declared.map(\.name) }
    for variable in environment.keys.sorted() where variable.hasPrefix("LOCKSTEP_") {
      let option = variable.dropFirst("LOCKSTEP_".count).lowercased().replacing("_", with: "-")
      guard !known.contains(option), let near = nearest(option, among: known) else { continue }
      doubts.append("\(variable) is no option's variable; did you mean \(EnvironmentOptions.variable(of: near))?")
    }
  }

  static func variable(of name: String) -> String {
    "LOCKSTEP_" + name.uppercased().replacingOccurrences(of: "-", with: "_")
  }
}
