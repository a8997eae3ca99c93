internal import Files
internal import Foundation
package import Models

/// A run's folder `checkpoints`, which has a folder for each checkpoint, named by its step.
package struct CheckpointStore: Sendable {
  package let path: String
  private let metrics: String
  /// The number of newest checkpoints to keep.
  private let keep: Int

  package init(run: String, keep: Int = 3) {
    path = "\(run)/checkpoints"
    metrics = "\(run)/metrics.jsonl"
    self.keep = keep
  }

  /// The folder to which the checkpoint of `step` is written.
  func path(ofStep step: Int) -> String { "\(path)/\(String(format: "%010d", step))" }

  /// The folder from which the checkpoint of `step` is read. If a replacement was interrupted between its two renames,
  /// it has its other name.
  package func folder(ofStep step: Int) -> String {
    let folder = path(ofStep: step)
    return FileManager.default.fileExists(atPath: folder) ? folder : Checkpoint.replacedPath(of: folder)
  }

  /// The steps of all checkpoints, whole or damaged, the newest first.
  package var steps: [Int] { Set(names.compactMap { step(named: $0) ?? replacedStep(named: $0) }).sorted(by: >) }

  private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

  private func step(named name: some StringProtocol) -> Int? {
    name.utf8.count >= 10 && name.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(name) : nil
  }

  private func replacedStep(named name: String) -> Int? {
    name.hasPrefix(".") && name.hasSuffix(".old") ? step(named: name.dropFirst().dropLast(4)) : nil
  }

  /// Reads the newest whole checkpoint; `warn` gets a line for each damaged one.
  ///
  /// - Throws: an error that names the folder if there is none.
  package func newest(models: [ModelFactory], warn: (String) -> Void) throws -> Checkpoint {
    for step in steps {
      do {
        return try Checkpoint(path: folder(ofStep: step), models: models)
      } catch {
        warn("the checkpoint \(folder(ofStep: step)) is skipped: \(error)")
      }
    }
    let run = FilePath(path).folder
    guard FileManager.default.fileExists(atPath: run) else { throw FileError("--resume \(run): no such folder") }
    throw FileError("\(path) has no good checkpoint to resume from")
  }

  /// Writes `checkpoint`. Of the others, keeps the newest finite ones and the best, and removes the rest:
  /// also later ones, from which the run could not resume, and what interrupted writers left.
  func write(_ checkpoint: Checkpoint, of prepared: PreparedJob) throws {
    // A checkpoint must not be newer than the metrics on disk.
    if FileManager.default.fileExists(atPath: metrics) { try sync(metrics) }
    if mkdir(path, 0o777) == 0 {
      try sync(FilePath(path).folder)
    } else if errno != EEXIST {
      throw FileError.system("cannot make the folder \(path)")
    }
    try checkpoint.write(to: path(ofStep: checkpoint.state.step), of: prepared)
    for step in stepsToRemove(after: checkpoint.state.step) {
      try FileManager.default.removeItem(atPath: folder(ofStep: step))
    }
    for name in names where name.hasPrefix(".") {
      let isReplaced = replacedStep(named: name).map { FileManager.default.fileExists(atPath: path(ofStep: $0)) }
      if isReplaced ?? name.hasSuffix(".tmp") { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
    }
  }

  /// Removes all checkpoints, for a run that starts anew.
  package func removeAll() throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw FileError("the earlier run's checkpoints in \(path) cannot be removed; choose another --output")
    }
  }

  /// The finite checkpoint with the smallest ``RunSummary/decidingLoss``; of equals the first, which is nearest to the evaluation.
  package var best: Int? {
    let losses = steps.compactMap { step -> (loss: Double, step: Int)? in
      guard let state = try? Checkpoint.state(at: folder(ofStep: step)), state.isFinite else { return nil }
      return state.statistics.summary.decidingLoss.map { ($0, step) }
    }
    return losses.min { ($0.loss, $0.step) < ($1.loss, $1.step) }?.step
  }

  private func stepsToRemove(after written: Int) -> [Int] {
    let steps = steps
    let finite = steps.filter { step in
      step <= written && (try? Checkpoint.state(at: folder(ofStep: step)))?.isFinite == true
    }
    var kept = Set(finite.prefix(keep) + [written])
    if let best, best <= written { kept.insert(best) }
    return steps.filter { !kept.contains($0) }
  }
}
