internal import Cluster
internal import Files
internal import Foundation
package import Kernels
internal import Models
package import Protocol
internal import Schema

/// Whether two paths name the same file or folder.
package func isSamePath(_ left: String, _ right: String) -> Bool {
  realPath(left) == realPath(right)
}

/// Whether there is something at `path`, inside of `folder`.
package func isPath(_ path: String, inside folder: String) -> Bool {
  FileManager.default.fileExists(atPath: path) && realPath(path).hasPrefix(realPath(folder) + "/")
}

private func realPath(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

/// A run's folder: `job.yaml`, `metrics.jsonl`, `log.jsonl`, `model.safetensors`, `summary.json`.
package final class RunFolder {
  package var path: String { folder.path }
  private let folder: OutputFolder
  private let metrics: LineFile
  /// Whether it held no run before.
  private let isNew: Bool
  /// Steps whose line is not written yet.
  private var steps: StepLine?
  private let schema: MetricSchema
  private let log: RunLog

  /// Makes the folder and writes the job into it, before the run starts.
  ///
  /// - Parameters:
  ///   - path: nil for `runs/<time>`.
  ///   - resumed: the folder of the run to resume, and its step; metrics are kept up to that step. Nil starts a new
  ///     run.
  ///   - isRepeatable: whether the job alone decides the bits, because no part was computed with other numerics.
  ///   - overwrites: whether to replace another run in the folder.
  ///   - warn: gets warnings for the user.
  /// - Throws: ``OptionError`` if another run must not be replaced, and an error that names a file that cannot be read
  ///   or written.
  package init(
    _ path: String?, _ prepared: PreparedJob, resuming resumed: (folder: String, step: Int)? = nil,
    isRepeatable: Bool = true, overwrites: Bool, warn: (String) -> Void
  ) throws {
    folder = try OutputFolder(path)
    let path = folder.path
    isNew = !overwrites && resumed.map { !isSamePath($0.folder, path) } ?? true
    if isNew { try RunFolder.refuseRun(at: path) }
    // Copied, because the resumed run may be in another folder. First, because nothing may be removed if that fails.
    if let resumed {
      try RunFolder.keepMetrics(
        "\(resumed.folder)/\(RunFolder.metricsName)", through: resumed.step, as: "\(path)/\(RunFolder.metricsName)",
        warn)
    }
    RunFolder.removeResults(at: path)
    let note =
      isRepeatable
      ? "# Everything that the result depends on. `lockstep train --job` with this file gives the same bits.\n"
      : "# The options of the run. A part of it was computed with other bits than this program has, so\n"
        + "# `lockstep train --job` with this file ends with other ones.\n"
    try AtomicFile.write(note + prepared.job.yaml(), to: "\(path)/job.yaml")
    // Those who read the former files see that these are others.
    if resumed == nil { unlink("\(path)/\(RunFolder.metricsName)") }
    let goesOn = resumed.map { isSamePath($0.folder, path) } ?? false
    if !goesOn { unlink("\(path)/\(RunLog.name)") }
    metrics = try LineFile(path: "\(path)/\(RunFolder.metricsName)", appending: resumed != nil)
    log = try RunLog("\(path)/\(RunLog.name)", appending: goesOn)
    schema = prepared.model.metrics
  }

  package static let metricsName = "metrics.jsonl"
  /// Of TensorBoard's files.
  package static let curvesPrefix = "events.out.tfevents."

  /// Writes what has happened into the run's log.
  package func note(_ line: RunLog.Line) throws { try log.append(line) }

  /// Removes what was written for a run that did not begin, so that the next command finds the folder as it was.
  package func abandon() {
    guard isNew else { return }
    for name in ["job.yaml", RunFolder.metricsName, RunLog.name] { unlink("\(path)/\(name)") }
    // Fails if the folder holds anything else.
    rmdir(path)
  }

  /// Refuses to replace a run in the folder `path`.
  ///
  /// - Throws: ``OptionError`` that says how the run ended and how to go on.
  private static func refuseRun(at path: String) throws {
    let names = ["job.yaml", metricsName, "model.safetensors", "summary.json", "checkpoints"]
    guard names.contains(where: { FileManager.default.fileExists(atPath: "\(path)/\($0)") }) else { return }
    let summary = FileManager.default.contents(atPath: "\(path)/summary.json")
      .flatMap { try? JSONDecoder().decode(RunSummary.self, from: $0) }
    let saved = CheckpointStore(run: path).steps.first
    let state =
      switch (summary, saved) {
      case (let summary?, _) where summary.status == "completed": "completed after \(summary.steps) steps"
      case (let summary?, _): "failed after \(summary.steps) steps: \(summary.error ?? "it does not say why")"
      case (nil, let step?): "was killed, and is saved up to step \(step)"
      case (nil, nil): "was killed before it was saved"
      }
    throw OptionError(
      "--output \(path): there is a run already, which \(state); "
        + (saved == nil ? "" : "go on with it by --resume \(shellQuoted(path)), ")
        + "replace it by --overwrite, or choose another folder")
  }

  /// Removes the results of an earlier run.
  package static func removeResults(at path: String) {
    let curves = (try? FileManager.default.contentsOfDirectory(atPath: path))?.filter { $0.hasPrefix(curvesPrefix) }
    for name in ["model.safetensors", "summary.json", RunStatus.name] + (curves ?? []) { unlink("\(path)/\(name)") }
  }

  /// Copies the lines of the metrics file at `path` up to `step` to `copy`. The resumed run writes later steps again. A
  /// last line without an end comes from a killed run and is dropped.
  ///
  /// - Throws: ``FileError`` if the file cannot be read.
  private static func keepMetrics(_ path: String, through step: Int, as copy: String, _ warn: (String) -> Void) throws {
    struct Line: Decodable {
      let step: Int
      let first: Int?
    }
    guard FileManager.default.fileExists(atPath: path) else {
      if step > 0 { warn("\(path) is missing: the run's history begins with step \(step + 1)") }
      try AtomicFile.write("", to: copy)
      return
    }
    let file = try AtomicFile(path: copy)
    var strange = 0
    var kept: [UInt8] = []
    do {
      try forEachLine(of: path) { line in
        if let line = try? JSONDecoder().decode(Line.self, from: Data(line)) {
          guard line.step <= step else { return }
        } else {
          strange += 1
        }
        kept += line
        kept.append(UInt8(ascii: "\n"))
        if kept.count > 1 << 20 {
          try kept.withUnsafeBytes { try file.write($0) }
          kept.removeAll(keepingCapacity: true)
        }
      }
      try kept.withUnsafeBytes { try file.write($0) }
    } catch let error as FileError {
      throw FileError(
        "\(error.description), and the run's history would be lost; mend that, or move the file away to go on without it"
      )
    }
    try file.commit()
    if strange > 0 { warn("\(path) has \(strange) lines that are no metrics; they are kept as they are") }
  }

  package func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report):
      if steps?.accepts(report) == true {
        steps?.add(report)
      } else {
        try endSteps()
        steps = StepLine(report)
      }
      if steps?.isFull == true { try endSteps() }
    case .evaluation(let report):
      let score = report.figures.sorted { $0.key < $1.key }
        .map { ",\"\(report.part)_\($0.key)\":\(json($0.value))" }.joined()
      try endSteps()
      try metrics.append(
        "{\"event\":\"evaluation\",\"step\":\(report.step),\"epoch\":\(report.epoch),\"examples\":\(report.examples),"
          + "\"\(report.part)_loss\":\(json(report.loss))\(score),\"time\":\(now),\"seconds\":\(json(report.seconds))}")
      try metrics.flush()
    case .workerJoined, .workerLeft, .waiting, .relays, .leftOut, .otherNumerics, .warning: break
    }
  }

  /// Writes the lines that are complete, for those who watch the run.
  package func showLines() throws { try metrics.flush() }

  /// Writes all metrics so far. Called before each checkpoint, which must not be newer than the metrics.
  package func flush() throws {
    try endSteps()
    try metrics.flush()
  }

  private func endSteps() throws {
    guard let line = steps else { return }
    steps = nil
    try metrics.append(line.text(schema, time: now))
  }

  package func record(epoch: Int, step: Int, parametersSHA256: String) throws {
    try endSteps()
    try metrics.append(
      "{\"event\":\"epoch\",\"step\":\(step),\"epoch\":\(epoch),\"parameters_sha256\":\"\(parametersSHA256)\"}")
  }

  /// `pause` is the time in seconds for which the run waited.
  package func record(checkpointAfter step: Int, epoch: Int, pause: Double) throws {
    try endSteps()
    try metrics.append(
      "{\"event\":\"checkpoint\",\"step\":\(step),\"epoch\":\(epoch),\"pause_seconds\":\(json(pause))}")
  }

  /// Seconds since 1970, to the millisecond.
  private var now: Double { (Date().timeIntervalSince1970 * 1000).rounded() / 1000 }

  private func json(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

  /// Writes the model if the run succeeded, then the summary.
  package func finish(_ summary: RunSummary, model: (parameters: Floats, of: PreparedJob)?) throws {
    try flush()
    if let model {
      try ModelFile.write(model.parameters, step: summary.steps, of: model.of, to: "\(path)/model.safetensors")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(
      String(decoding: try encoder.encode(summary), as: UTF8.self) + "\n", to: "\(path)/summary.json")
  }
}
