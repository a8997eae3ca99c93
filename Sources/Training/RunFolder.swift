internal import Checkpoints
internal import Foundation
public import Kernels

/// A run's folder: `job.yaml`, `metrics.jsonl`, `model.safetensors`, `summary.json`.
public final class RunFolder {
  /// Where it is.
  public let path: String
  private let metrics: LineFile
  /// Holds the folder's lock.
  private let descriptor: Int32

  /// Makes the folder and writes the job into it, before anything is computed.
  ///
  /// - Parameter path: nil for `runs/<time>`. A run that is there already is replaced.
  public init(_ path: String?, _ prepared: PreparedJob) throws {
    self.path = try path ?? RunFolder.makeNew()
    do {
      try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    } catch {
      throw FileError("--output \(self.path): the folder cannot be made: \(RunFolder.cause(of: error))")
    }
    descriptor = open(self.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("--output \(self.path): the folder cannot be opened") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw FileError("--output \(self.path): another run is writing into this folder; choose another")
    }
    for name in ["model.safetensors", "summary.json"] { unlink("\(self.path)/\(name)") }
    try AtomicFile.write(
      "# Everything that the result depends on. `lockstep train --job` with this file gives the same bits.\n"
        + prepared.job.yaml(), to: "\(self.path)/job.yaml")
    metrics = try LineFile(path: "\(self.path)/metrics.jsonl")
  }

  deinit { close(descriptor) }

  /// Makes `runs/<time>`, or the next name where another run has just made that.
  private static func makeNew() throws -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd-HHmmss"
    let base = "runs/\(formatter.string(from: Date()))"
    mkdir("runs", 0o777)
    for path in [base] + (2...1000).map({ "\(base)-\($0)" }) {
      if mkdir(path, 0o777) == 0 { return path }
      guard errno == EEXIST else {
        throw FileError.system("the folder \(path) cannot be made; choose one with --output")
      }
    }
    throw FileError("there are a thousand runs of this second already; choose a folder with --output")
  }

  /// Foundation wraps the system's word in a sentence that names no cause.
  private static func cause(of error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    if let underlying, underlying.domain == NSPOSIXErrorDomain {
      return String(cString: strerror(Int32(underlying.code)))
    }
    return error.localizedDescription
  }

  /// Appends an event's line to `metrics.jsonl`.
  public func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report):
      let workers = report.computeSeconds.map { "\"\($0.worker)\":\(json($0.seconds))" }.joined(separator: ",")
      let skipped = report.isSkipped ? ",\"skipped\":true" : ""
      try metrics.append(
        "{\"event\":\"step\",\"step\":\(report.step),\"epoch\":\(report.epoch),\"examples\":\(report.examples),"
          + "\"loss\":\(json(report.loss))\(skipped),\"seconds\":\(json(report.seconds)),\"compute_seconds\":{\(workers)}}"
      )
    case .evaluation(let report):
      let score =
        report.accuracy.map { ",\"test_accuracy\":\(json($0))" } ?? report.r2.map { ",\"test_r2\":\(json($0))" } ?? ""
      try metrics.append(
        "{\"event\":\"evaluation\",\"step\":\(report.step),\"epoch\":\(report.epoch),\"examples\":\(report.examples),"
          + "\"test_loss\":\(json(report.loss))\(score),\"seconds\":\(json(report.seconds))}")
      try metrics.flush()
    case .workerJoined, .workerLeft, .warning: break
    }
  }

  /// Appends the line of an epoch's end.
  public func record(epoch: Int, step: Int, parametersSHA256: String) throws {
    try metrics.append(
      "{\"event\":\"epoch\",\"step\":\(step),\"epoch\":\(epoch),\"parameters_sha256\":\"\(parametersSHA256)\"}")
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
