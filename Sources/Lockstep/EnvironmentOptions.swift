internal import ArgumentParser
internal import Foundation

/// Options of `coordinator` and `worker` that the environment gives, as schedulers and containers do:
/// `LOCKSTEP_SILENCE_LIMIT` for `--silence-limit`, and so on. The command line beats it.
struct EnvironmentOptions {
  /// The command line with them.
  let arguments: [String]
  /// The variables that gave some.
  private(set) var variables: [String] = []

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
    for option in try EnvironmentOptions.options(of: command) {
      let variable = EnvironmentOptions.variable(of: option.name)
      guard let value = environment[variable], !value.isEmpty,
        !given.contains(where: { $0 == "--\(option.name)" || $0.hasPrefix("--\(option.name)=") })
      else { continue }
      if option.isFlag {
        switch value.lowercased() {
        case "1", "true", "yes", "on": added.append("--\(option.name)")
        case "0", "false", "no", "off": continue
        default: throw ValidationError("\(variable)=\(value): a flag's variable is 1 or 0")
        }
      } else {
        added.append("--\(option.name)=\(value)")
      }
      variables.append(variable)
    }
    arguments = [name] + added + given.dropFirst()
  }

  /// The variable that stands for the option `--name`.
  static func variable(of name: String) -> String {
    "LOCKSTEP_" + name.uppercased().replacingOccurrences(of: "-", with: "_")
  }

  /// What the parser says of a command.
  private struct Description: Decodable {
    struct Command: Decodable { let arguments: [Argument]? }
    struct Argument: Decodable {
      struct Name: Decodable {
        let kind: String
        let name: String
      }
      let kind: String
      let names: [Name]?
    }
    let command: Command
  }

  /// The long options of `command`, but not those of the parser itself.
  static func options(of command: any ParsableCommand.Type) throws -> [(name: String, isFlag: Bool)] {
    let description = try JSONDecoder().decode(Description.self, from: Data(command._dumpHelp().utf8))
    return (description.command.arguments ?? []).compactMap { argument in
      guard let name = argument.names?.first(where: { $0.kind == "long" })?.name, name != "help", name != "version"
      else { return nil }
      return (name, argument.kind == "flag")
    }
  }
}
