internal import Files
internal import Foundation
package import Kernels
package import Models
internal import Optimizers
internal import Schema

/// The state of a run between two steps. A run that resumes from it ends with the same bits.
///
/// On disk it is a folder:
///
/// | file | what |
/// | --- | --- |
/// | `model.safetensors` | the parameters, as a run leaves them in the end; their averages, if evaluations read these |
/// | `training.safetensors` | then the parameters that are trained; absent otherwise |
/// | `optimizer.safetensors` | each slot's tensors, named `slot/tensor`; absent if the rule has no slots |
/// | `state.json` | ``CheckpointState`` |
/// | `SHA256SUMS` | the digests of the others, as `sha256sum --check` reads them; written last |
package struct Checkpoint: Sendable {
  package var state: CheckpointState
  /// Must not change any more.
  package let parameters: FloatBuffer
  /// The optimizer's slots, one after the other.
  package let slots: FloatBuffer
  /// The averages that evaluations read in place of ``parameters``; nil if they read these.
  package let average: FloatBuffer?

  package static let modelName = "model.safetensors"
  package static let trainingName = "training.safetensors"
  package static let optimizerName = "optimizer.safetensors"
  package static let stateName = "state.json"
  static let digestsName = "SHA256SUMS"

  init(state: CheckpointState, parameters: FloatBuffer, slots: FloatBuffer, average: FloatBuffer? = nil) {
    (self.state, self.parameters, self.slots, self.average) = (state, parameters, slots, average)
  }

  /// The layout of the vector of all slots.
  static func layout(of optimizer: Optimizer, _ model: ParameterLayout) -> ParameterLayout {
    var layout = ParameterLayout()
    for slot in optimizer.savedSlots {
      for tensor in model.tensors where !tensor.isStatistic {
        layout.append("\(slot)/\(tensor.name)", shape: tensor.shape, savedAxes: tensor.savedAxes)
      }
    }
    for (tensor, slot) in optimizer.tensorSlots { layout.append("\(slot.name)/\(tensor)", shape: slot.shape) }
    return layout
  }

  /// Writes the checkpoint as the folder `path`, whole or not at all. Replaces an earlier folder.
  func write(to path: String, of prepared: PreparedJob) throws {
    let temporary = FilePath(path).beside(".\(FilePath(path).name).tmp")
    try? FileManager.default.removeItem(atPath: temporary)
    guard mkdir(temporary, 0o777) == 0 else { throw FileError.system("cannot write the checkpoint \(path)") }
    var isWritten = false
    defer { if !isWritten { try? FileManager.default.removeItem(atPath: temporary) } }
    var state = state
    let evaluated = average ?? parameters
    state.parametersSHA256 = Runs.parametersSHA256(evaluated.values)
    state.isFinite = parameters.values.areFinite && slots.values.areFinite && evaluated.values.areFinite
    try ModelFile.write(evaluated.values, step: state.step, of: prepared, to: "\(temporary)/\(Checkpoint.modelName)")
    var names = [Checkpoint.modelName]
    if average != nil {
      try ModelFile.write(
        parameters.values, step: state.step, of: prepared, to: "\(temporary)/\(Checkpoint.trainingName)")
      names.append(Checkpoint.trainingName)
    }
    if slots.count > 0 {
      let layout = Checkpoint.layout(of: try prepared.optimizer(), prepared.model.layout)
      try Safetensors.write(
        slots.values, layout: layout, metadata: ["format": "pt"], to: "\(temporary)/\(Checkpoint.optimizerName)")
      names.append(Checkpoint.optimizerName)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(state), to: "\(temporary)/\(Checkpoint.stateName)")
    names.append(Checkpoint.stateName)
    let digests = try names.map { "\(try Checkpoint.digest(of: "\(temporary)/\($0)"))  \($0)\n" }
    try AtomicFile.write(digests.joined(), to: "\(temporary)/\(Checkpoint.digestsName)")
    try replaceFolder(at: path, with: temporary)
    isWritten = true
  }

  /// The name of the old folder at `path` while it is replaced.
  static func replacedPath(of path: String) -> String {
    FilePath(path).beside(".\(FilePath(path).name).old")
  }

  /// Reads the checkpoint at `path`, and checks every file's digest.
  ///
  /// - Throws: an error that names the file and what is wrong with it.
  package init(path: String, models: [ModelFactory]) throws {
    // Reported first, because another format may have other digests.
    state = try Checkpoint.state(at: path)
    let digests = try Checkpoint.digests(at: path)
    try Checkpoint.check(Checkpoint.stateName, at: path, digests)
    try Checkpoint.check(Checkpoint.modelName, at: path, digests)
    let file = try ModelFile(path: "\(path)/\(Checkpoint.modelName)", models: models)
    let optimizer = try Optimizer(
      state.job.optimizer, tensors: file.model.layout.updatedTensors, total: 0, stepsPerEpoch: 1)
    if optimizer.evaluated == nil {
      (parameters, average) = (file.parameters, nil)
    } else {
      try Checkpoint.check(Checkpoint.trainingName, at: path, digests)
      let trained = try ModelFile(path: "\(path)/\(Checkpoint.trainingName)", models: models)
      (parameters, average) = (trained.parameters, file.parameters)
    }
    let layout = Checkpoint.layout(of: optimizer, file.model.layout)
    slots = FloatBuffer(count: layout.count)
    if layout.count > 0 {
      try Checkpoint.check(Checkpoint.optimizerName, at: path, digests)
      try Safetensors.File(path: "\(path)/\(Checkpoint.optimizerName)").read(into: slots.all, layout: layout)
    }
  }

  /// Reads only `state.json`.
  package static func state(at path: String) throws -> CheckpointState {
    let file = "\(path)/\(stateName)"
    guard let data = FileManager.default.contents(atPath: file) else {
      throw FileError("\(path) is no checkpoint: it has no readable \(stateName)")
    }
    do {
      let state = try JSONDecoder().decode(CheckpointState.self, from: data)
      guard state.format == CheckpointState.presentFormat else {
        throw FileError(
          "\(file) is of format \(state.format), where this program reads \(CheckpointState.presentFormat)")
      }
      if let contradiction = state.contradiction { throw FileError("\(file) is damaged: \(contradiction)") }
      return state
    } catch let error as FileError {
      throw error
    } catch {
      throw FileError("\(file) cannot be read; it is damaged, or of another version")
    }
  }

  /// What is wrong with the files of a checkpoint, one sentence each; empty if it is whole.
  package static func damage(at path: String) -> [String] {
    func problem(_ check: () throws -> Void) -> String? {
      do {
        try check()
        return nil
      } catch {
        return "\(error)"
      }
    }
    var digests: [String: String] = [:]
    if let problem = problem({ digests = try Checkpoint.digests(at: path) }) { return [problem] }
    let names = [modelName, stateName] + digests.keys.filter { [optimizerName, trainingName].contains($0) }.sorted()
    return names.compactMap { name in problem { try check(name, at: path, digests) } }
      + [problem { _ = try state(at: path) }].compactMap(\.self)
  }

  /// The digests by file name.
  static func digests(at path: String) throws -> [String: String] {
    guard let text = try? String(contentsOfFile: "\(path)/\(digestsName)", encoding: .utf8) else {
      throw FileError("\(path) is torn or damaged: it has no readable \(digestsName)")
    }
    var digests: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard parts.count == 2 else { throw FileError("\(path)/\(digestsName) is damaged") }
      digests[parts[1].trimmingCharacters(in: .whitespaces)] = String(parts[0])
    }
    return digests
  }

  /// Checks the digest of the file `name`.
  static func check(_ name: String, at path: String, _ digests: [String: String]) throws {
    guard let expected = digests[name] else {
      throw FileError("\(path)/\(digestsName) has no digest of \(name); the checkpoint is damaged")
    }
    guard try digest(of: "\(path)/\(name)") == expected else {
      throw FileError("\(path)/\(name) is torn or damaged: its SHA-256 is not the one in \(digestsName)")
    }
  }

  /// Reads 1 MiB at a time: a mapped file would count as this process' memory.
  private static func digest(of path: String) throws -> String {
    do {
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      var hash = SHA256()
      while let part = try file.read(upToCount: 1 << 20), !part.isEmpty { part.withUnsafeBytes { hash.update($0) } }
      return hash.digest.hex
    } catch {
      throw FileError("\(path) cannot be read: \(error.localizedDescription)")
    }
  }
}

/// Renames the folder `temporary` to `path`, durably.
private func replaceFolder(at path: String, with temporary: String) throws {
  let old = Checkpoint.replacedPath(of: path)
  if FileManager.default.fileExists(atPath: path) {
    try? FileManager.default.removeItem(atPath: old)
    guard rename(path, old) == 0 else { throw FileError.system("cannot replace the checkpoint \(path)") }
  }
  guard rename(temporary, path) == 0 else { throw FileError.system("cannot write the checkpoint \(path)") }
  try sync(FilePath(path).folder)
  try? FileManager.default.removeItem(atPath: old)
}
