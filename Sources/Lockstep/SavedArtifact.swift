internal import Files
internal import Foundation
internal import Runs

/// What a user's path names: a model, a checkpoint or a run.
enum SavedArtifact {
  case model(String)
  case checkpoint(String)
  case run(String)

  /// - Throws: an error that names the path if it is none of them.
  init(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError("\(path): no such file or folder")
    }
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }
    if !isFolder.boolValue {
      self = .model(path)
    } else if has("job.yaml") || has("checkpoints") {
      self = .run(path)
    } else if has(Checkpoint.stateName) || has(Checkpoint.modelName) {
      self = .checkpoint(path)
    } else {
      throw FileError("\(path) is neither a run's folder, nor a checkpoint, nor a model")
    }
  }
}
