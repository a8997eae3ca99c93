internal import ArgumentParser
internal import Files
internal import Foundation
internal import Reports
internal import Runs
internal import Schema

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a saved model's tensors as a NumPy archive.",
    discussion: """
      numpy.load reads the file: float32 arrays under the names and in the shapes that the model file has. Of a run, \
      its model is written, or its newest good checkpoint where it has none yet. The member lockstep.json says how data \
      become a model's inputs: their scaling, and the recipe of a table.
      """)

  @Argument(help: ArgumentHelp("A model, a checkpoint or a run's folder.", valueName: "path"))
  var path: String

  @Option(parsing: .unconditional, help: ArgumentHelp("The archive.", valueName: "file.npz"))
  var output: String

  @Flag(
    help: ArgumentHelp(
      """
      Write the optimizer's tensors as well, as optimizer/SLOT/TENSOR; of a run, the newest good checkpoint's. Where \
      evaluations read averages, also what is trained, as training/TENSOR.
      """))
  var withOptimizer = false

  func run() throws {
    let (model, others) = try sources()
    for source in [model] + others.map(\.path) where isSamePath(output, source) {
      throw OptionError("--output \(output) is the file that is exported, which would be replaced: choose another")
    }
    var archive = try NumPyArchive(path: output)
    var values = 0
    if let description = ModelFile.metadata(in: try Safetensors.File(path: model)) {
      try archive.append(text: description, as: "lockstep.json")
    }
    for (prefix, path) in [("", model)] + others {
      let file = try Safetensors.File(path: path)
      for tensor in file.tensors {
        try file.withBytes(of: tensor.name) {
          try archive.append(prefix + tensor.name, shape: tensor.shape, values: $0)
          values += $0.count / 4
        }
      }
    }
    try archive.commit()
    printLine("\(output): \(count(values, "value")) of \(([model] + others.map(\.path)).joined(separator: " and "))")
  }

  /// The model's file and, if they are wanted, those of the trained parameters and of the optimizer that are there, each
  /// with what begins its tensors' names.
  private func sources() throws -> (model: String, others: [(prefix: String, path: String)]) {
    switch try SavedArtifact(path) {
    case .model(let file):
      guard !withOptimizer else { throw ValidationError("--with-optimizer needs a checkpoint or a run, not a model") }
      return (file, [])
    case .checkpoint(let folder): return try sources(checkpoint: folder)
    case .run(let folder):
      let model = "\(folder)/model.safetensors"
      if !withOptimizer && FileManager.default.fileExists(atPath: model) { return (model, []) }
      let store = CheckpointStore(run: folder)
      guard let good = store.steps.map({ store.folder(ofStep: $0) }).first(where: { Checkpoint.damage(at: $0).isEmpty })
      else { throw FileError("\(folder) has no good checkpoint\(withOptimizer ? "" : ", and no model yet")") }
      return try sources(checkpoint: good)
    }
  }

  private func sources(checkpoint: String) throws -> (model: String, others: [(prefix: String, path: String)]) {
    if let damage = Checkpoint.damage(at: checkpoint).first { throw FileError(damage) }
    let others = [("training/", Checkpoint.trainingName), ("optimizer/", Checkpoint.optimizerName)]
      .map { (prefix: $0, path: "\(checkpoint)/\($1)") }
      .filter { withOptimizer && FileManager.default.fileExists(atPath: $0.path) }
    return ("\(checkpoint)/\(Checkpoint.modelName)", others)
  }
}
