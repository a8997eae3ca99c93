internal import ArgumentParser
internal import Models
internal import Runs

struct DigestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digest", abstract: "The digest of a model's parameters, as summary.json has it.")

  @Argument(help: ArgumentHelp("The model.", valueName: "file.safetensors"))
  var path: String

  func run() throws {
    let file = try ModelFile(path: path, models: ModelKinds.registry.all)
    withExtendedLifetime(file) { printLine(parametersSHA256(file.parameters.values)) }
  }
}
