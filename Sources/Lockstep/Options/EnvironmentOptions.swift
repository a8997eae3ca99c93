internal import ArgumentParser
internal import Foundation
internal import Schema

/// Options of `coordinator` and `worker` that the environment gives, as schedulers and containers do:
/// `LOCKSTEP_SILENCE_LIMIT` for `--silence-limit`, and so on. The command line beats it.
struct EnvironmentOptions {
  /// The command line with them.
  let arguments: [String]
  /// The variables that gave some, and the options that they gave.
  private(set) var variables: [(variable: String, option: String)] = []

  private static let commands: [any ParsableCommand.Type] = [CoordinatorCommand.self, WorkerCommand.self]

  /// - Throws: `ValidationError` where a flag's variable says neither yes nor no.
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
  }

  /// The variable that stands for the option `--name`.
  static func variable(of name: String) -> String {
    "LOCKSTEP_" + name.uppercased().replacingOccurrences(of: "-", with: "_")
  }
}
