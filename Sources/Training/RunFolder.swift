internal import Checkpoints
internal import Foundation
public import Kernels

/// A run's folder: `job.yaml`, `metrics.jsonl`, `model.safetensors`, `summary.json`.
public final class RunFolder {
  /// Where it is.
  public var path: String { folder.path }
  private let folder: OutputFolder
  private let metrics: LineFile

  /// Makes the folder and writes the job into it, before anything is computed.
  ///
  /// - Parameters:
  ///   - path: nil for `runs/<time>`. A run that is there already is replaced, unless it is resumed.
  ///   - resumed: the run that goes on, and after which step; its metrics are kept up to there. Nil begins.
  public init(_ path: String?, _ prepared: PreparedJob, resuming resumed: (folder: String, step: Int)? = nil) throws {
    folder = try OutputFolder(path)
    RunFolder.removeResults(at: folder.path)
    try AtomicFile.write(
      "# Everything that the result depends on. `lockstep train --job` with this file gives the same bits.\n"
        + prepared.job.yaml(), to: "\(folder.path)/job.yaml")
    let path = "\(folder.path)/metrics.jsonl"
    if let resumed { try RunFolder.copyMetrics("\(resumed.folder)/metrics.jsonl", through: resumed.step, to: path) }
    metrics = try LineFile(path: path, appending: resumed != nil)
  }

  /// Removes what says how an earlier run ended.
  public static func removeResults(at path: String) {
    for name in ["model.safetensors", "summary.json"] { unlink("\(path)/\(name)") }
  }

  private static func copyMetrics(_ source: String, through step: Int, to path: String) throws {
    struct Line: Decodable {
      let step: Int
    }
    let text = (try? String(contentsOfFile: source, encoding: .utf8)) ?? ""
    let kept = text.split(separator: "\n").filter { line in
      (try? JSONDecoder().decode(Line.self, from: Data(line.utf8))).map { $0.step <= step } ?? false
    }
    try AtomicFile.write(kept.map { $0 + "\n" }.joined(), to: path)
  }

  /// Appends an event's line to `metrics.jsonl`.
  public func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report):
      let workers = report.computeSeconds.map { "\"\($0.worker)\":\(json($0.seconds))" }.joined(separator: ",")
      let skipped = report.isSkipped ? ",\"skipped\":true" : ""
      try metrics.append(
        "{\"event\":\"step\",\"step\":\(report.step),\"epoch\":\(report.epoch),\"examples\":\(report.examples),"
          + "\"loss\":\(json(report.loss))\(skipped),\"learning_rate\":\(json(report.learningRate)),\"seconds\":\(json(report.seconds)),\"compute_seconds\":{\(workers)},"
          + "\"sum_update_seconds\":\(json(report.sumUpdateSeconds)),\"send_seconds\":\(json(report.sendSeconds))}")
    case .evaluation(let report):
      let score =
        report.accuracy.map { ",\"test_accuracy\":\(json($0))" } ?? report.r2.map { ",\"test_r2\":\(json($0))" } ?? ""
      try metrics.append(
        "{\"event\":\"evaluation\",\"step\":\(report.step),\"epoch\":\(report.epoch),\"examples\":\(report.examples),"
          + "\"test_loss\":\(json(report.loss))\(score),\"seconds\":\(json(report.seconds))}")
      try metrics.flush()
    case .workerJoined, .workerLeft, .waiting, .otherNumerics, .warning: break
    }
  }

  /// Writes the metrics so far, so that a checkpoint never knows of a step that they lack.
  public func flush() throws { try metrics.flush() }

  /// Appends the line of an epoch's end.
  public func record(epoch: Int, step: Int, parametersSHA256: String) throws {
    try metrics.append(
      "{\"event\":\"epoch\",\"step\":\(step),\"epoch\":\(epoch),\"parameters_sha256\":\"\(parametersSHA256)\"}")
  }

  /// Appends the line of a checkpoint: for how many seconds the run was held to take it.
  public func record(checkpointAfter step: Int, epoch: Int, pause: Double) throws {
    try metrics.append(
      "{\"event\":\"checkpoint\",\"step\":\(step),\"epoch\":\(epoch),\"pause_seconds\":\(json(pause))}")
  }

  private func json(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

  /// Writes what a run leaves: the model where it succeeded, and the summary last.
  public func finish(_ summary: RunSummary, model: (parameters: Floats, of: PreparedJob)?) throws {
    try metrics.flush()
    if let model {
      try ModelFile.write(model.parameters, of: model.of, to: "\(path)/model.safetensors")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(
      String(decoding: try encoder.encode(summary), as: UTF8.self) + "\n", to: "\(path)/summary.json")
  }
}
