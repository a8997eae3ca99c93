internal import Cluster
internal import Foundation
internal import Reports

extension Provenance {
  /// Of what this process makes.
  static var ofThisCommand: Provenance {
    Provenance(
      command: CommandLine.arguments.map(shellQuoted).joined(separator: " "), machine: .this, date: Date(),
      version: LockstepCommands.version)
  }
}
