package import Datasets
internal import Files
internal import Foundation
package import Kernels
package import Models
internal import Schema

/// The metadata of a saved model: enough to make the model again and to prepare its data.
///
/// Stored as JSON under the key `lockstep` of the safetensors metadata.
package struct ModelDescription: Codable, Equatable, Sendable {
  package var job: Job
  package var target: Target
  /// Numbers in an example; 0 without data.
  package var inputs: Int
  /// Of an example; nil in files of earlier versions.
  package var shape: [Int]?
  package var scaling: Scaling
  /// How the records of a table become numbers; nil for other data, and in files of earlier versions.
  package var recipe: Recipe?

  /// The names of the predicted columns; empty if they have none.
  package var labelNames: [String] { recipe?.labels.map(\.name) ?? [] }
}

/// A model with its parameters in a `.safetensors` file.
package struct ModelFile {
  private static let key = "lockstep"

  package let description: ModelDescription
  package let model: any Model
  /// In the layout's order and orientation.
  package let parameters: FloatBuffer

  /// Writes the parameters after `step` steps to `path`, whole or not at all.
  package static func write(_ parameters: Floats, step: Int, of prepared: PreparedJob, to path: String) throws {
    let description = ModelDescription(
      job: prepared.job, target: prepared.target, inputs: prepared.featureCount, shape: prepared.shape,
      scaling: prepared.scaling, recipe: prepared.recipe)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(description), as: UTF8.self)
    let layout = prepared.model.layout
    try Safetensors.write(
      parameters, layout: layout, counters: layout.counters.map { ($0, Int64(step)) },
      metadata: ["format": "pt", key: json], to: path)
  }

  /// The model's file at `path`, which may be a run's or a checkpoint's folder.
  package static func path(in path: String) -> String {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    return exists && isFolder.boolValue ? "\(path)/\(Checkpoint.modelName)" : path
  }

  /// The JSON of a ``ModelDescription``; nil if lockstep did not write the file.
  package static func metadata(in file: Safetensors.File) -> String? { file.metadata[key] }

  /// A model file's metadata; nil if lockstep did not write it.
  package static func description(in file: Safetensors.File) -> ModelDescription? {
    file.metadata[key].flatMap { try? JSONDecoder().decode(ModelDescription.self, from: Data($0.utf8)) }
  }

  /// Reads the model at `path`, which must be one of `models`.
  package init(path: String, models: [ModelFactory]) throws {
    let file = try Safetensors.File(path: path)
    guard let json = file.metadata[ModelFile.key] else {
      throw FileError(
        "\(path) does not say which model it holds: it has no `\(ModelFile.key)` metadata, so lockstep did not write it"
      )
    }
    let description: ModelDescription
    do {
      description = try JSONDecoder().decode(ModelDescription.self, from: Data(json.utf8))
    } catch {
      throw FileError("\(path): its `\(ModelFile.key)` metadata cannot be read; was it written by another version?")
    }
    self.description = description
    let (job, recipe) = (description.job, description.recipe)
    do {
      try recipe?.check()
    } catch {
      throw FileError("\(path): \(error)")
    }
    let (target, shape) = (description.target, description.shape ?? [description.inputs])
    guard (0...ModelRequest.mostOutputs).contains(target.outputs), shape.allSatisfy((0...1 << 40).contains),
      job.classifies.map({ $0 == target.isClassification }) ?? true,
      shape.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }) == description.inputs,
      recipe.map({ $0.features.count == description.inputs && $0.target == target }) ?? true,
      description.scaling.offset.count == description.inputs, description.scaling.factor.count == description.inputs
    else { throw FileError("\(path): its `\(ModelFile.key)` metadata contradicts itself; the file is damaged") }
    model = try job.makeModel(models, shape: shape, target: target, recipe)
    try file.check(model.layout)
    parameters = FloatBuffer(count: model.layout.count)
    try file.read(into: parameters.all, layout: model.layout)
  }
}
