internal import Checkpoints
internal import Foundation
public import Models

/// A run's checkpoints: the folder `checkpoints` with one for each step that was kept, named by its number.
public struct CheckpointStore: Sendable {
  /// The folder.
  public let path: String
  /// How many of the newest are kept.
  private let keep: Int

  /// The checkpoints of the run in the folder `run`.
  public init(run: String, keep: Int = 3) {
    path = "\(run)/checkpoints"
    self.keep = keep
  }

  /// Where the checkpoint after `step` steps is.
  func path(ofStep step: Int) -> String { "\(path)/\(String(format: "%010d", step))" }

  /// The steps of which there are checkpoints, good or not, the newest first.
  public var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { $0.count == 10 ? Int($0) : nil }.sorted(by: >)
  }

  /// Reads the newest checkpoint that is whole; `warn` hears of those that are not.
  ///
  /// - Throws: an error that names the run where there is none.
  public func newest(models: [ModelFactory], warn: (String) -> Void) throws -> Checkpoint {
    for step in steps {
      do {
        return try Checkpoint(path: path(ofStep: step), models: models)
      } catch {
        warn("the checkpoint \(path(ofStep: step)) is skipped: \(error)")
      }
    }
    throw FileError("\(path) has no good checkpoint to resume from")
  }

  /// Writes `checkpoint` and removes what need not be kept: all but the newest, and the best by test loss. One that is
  /// not finite takes no finite one's place.
  func write(_ checkpoint: Checkpoint, of prepared: PreparedJob) throws {
    if mkdir(path, 0o777) != 0 && errno != EEXIST { throw FileError.system("cannot make the folder \(path)") }
    try checkpoint.write(to: path(ofStep: checkpoint.state.step), of: prepared)
    for step in superfluous() { try FileManager.default.removeItem(atPath: path(ofStep: step)) }
  }

  private func superfluous() -> [Int] {
    var seen = 0
    var kept: Set<Int> = []
    var best: (loss: Double, step: Int)?
    let steps = steps
    for (index, step) in steps.enumerated() {
      // One that cannot be read is of no use; it is left for a person to look at while it is among the newest.
      let state = try? Checkpoint.state(at: path(ofStep: step))
      if index == 0 || state?.isFinite == true && seen < keep { kept.insert(step) }
      guard let state, state.isFinite else { continue }
      seen += 1
      if let loss = state.statistics.summary.testLoss, best.map({ loss < $0.loss }) ?? true { best = (loss, step) }
    }
    if let best { kept.insert(best.step) }
    return steps.filter { !kept.contains($0) }
  }
}
