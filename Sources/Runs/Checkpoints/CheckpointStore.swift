internal import Files
internal import Foundation
package import Models

/// A run's checkpoints: the folder `checkpoints` with one for each step that was kept, named by its number.
package struct CheckpointStore: Sendable {
  /// The folder.
  package let path: String
  private let metrics: String
  /// How many of the newest are kept.
  private let keep: Int

  /// The checkpoints of the run in the folder `run`.
  package init(run: String, keep: Int = 3) {
    path = "\(run)/checkpoints"
    metrics = "\(run)/metrics.jsonl"
    self.keep = keep
  }

  /// Where the checkpoint after `step` steps is.
  func path(ofStep step: Int) -> String { "\(path)/\(String(format: "%010d", step))" }

  /// Where it is to be read. A kill between the two renames of a replacement leaves it under the other name.
  package func folder(ofStep step: Int) -> String {
    let folder = path(ofStep: step)
    return FileManager.default.fileExists(atPath: folder) ? folder : Checkpoint.replacedPath(of: folder)
  }

  /// The steps of which there are checkpoints, good or not, the newest first.
  package var steps: [Int] { Set(names.compactMap { step(named: $0) ?? replacedStep(named: $0) }).sorted(by: >) }

  private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

  private func step(named name: some StringProtocol) -> Int? {
    name.utf8.count >= 10 && name.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(name) : nil
  }

  private func replacedStep(named name: String) -> Int? {
    name.hasPrefix(".") && name.hasSuffix(".old") ? step(named: name.dropFirst().dropLast(4)) : nil
  }

  /// Reads the newest checkpoint that is whole; `warn` hears of those that are not.
  ///
  /// - Throws: an error that names the run where there is none.
  package func newest(models: [ModelFactory], warn: (String) -> Void) throws -> Checkpoint {
    for step in steps {
      do {
        return try Checkpoint(path: folder(ofStep: step), models: models)
      } catch {
        warn("the checkpoint \(folder(ofStep: step)) is skipped: \(error)")
      }
    }
    throw FileError("\(path) has no good checkpoint to resume from")
  }

  /// Writes `checkpoint` and removes what need not be kept: all but the newest, and the best by test loss. One that is
  /// not finite takes no finite one's folder. Those after it, which were not good enough to resume from, go as well, and
  /// what killed writers have left.
  func write(_ checkpoint: Checkpoint, of prepared: PreparedJob) throws {
    // It must not know of a step that they lack.
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

  /// Removes all, for a run that begins anew.
  package func removeAll() throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw FileError("the earlier run's checkpoints in \(path) cannot be removed; choose another --output")
    }
  }

  /// The step with the smallest test loss among those that are finite; of equals the first, which is the nearest to the
  /// evaluation.
  package var best: Int? {
    let losses = steps.compactMap { step -> (loss: Double, step: Int)? in
      guard let state = try? Checkpoint.state(at: folder(ofStep: step)), state.isFinite else { return nil }
      return state.statistics.summary.testLoss.map { ($0, step) }
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
