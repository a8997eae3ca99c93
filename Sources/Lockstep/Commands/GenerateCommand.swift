internal import ArgumentParser
internal import Foundation
internal import Models
internal import Runs
internal import Schema

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Text that a saved model continues.",
    discussion: """
      The model must have been trained with --data text:FILE. The same model, prompt, options and seed give the same text \
      on every machine.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("The model, or a run's folder.", valueName: "path"))
  var model: String

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The text to continue. (default: an empty line)", valueName: "text"))
  var prompt: String?

  enum Section: OptionSection {
    static let length = OptionDeclaration.whole(
      "length", default: 200, 0...1 << 30, valueName: "bytes", "The bytes to add to the prompt.")
    static let temperature = OptionDeclaration.real(
      "temperature", default: 0.8, .notNegative, "Below 1 likely bytes become likelier; 0 takes the likeliest.")
    static let topK = OptionDeclaration.whole(
      "top-k", default: 256, 1...256, "Choose among so many of the likeliest bytes.")
    static let seed = OptionDeclaration.whole(
      "seed", default: 0, 0...UInt64.max, valueName: "number", "Fixes the choices.")
    static let options = [length, temperature, topK, seed]
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  func validate() throws {
    if prompt?.isEmpty == true { throw ValidationError("--prompt is empty: give a text to continue, or leave it out") }
  }

  func run() throws {
    let file = try ModelFile(path: ModelFile.path(in: model), models: ModelKinds.registry.all)
    let generation = try Generation(file)
    let sampling = Generation.Sampling(
      temperature: own.real(Section.temperature), topK: own.whole(Section.topK),
      seed: UInt64(own.text(Section.seed) ?? "") ?? 0)
    let text = Array((prompt ?? "\n").utf8)
    FileHandle.standardOutput.write(Data(text))
    generation.extend(text, length: own.whole(Section.length), sampling) {
      FileHandle.standardOutput.write(Data([$0]))
    }
    printLine("")
  }
}
