import Foundation

@testable import Monitoring
@testable import Runs

/// A run's folder that a test fills, line by line.
final class RunFolderFixture {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try write("job.yaml", "data: digits\n")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"), options: .atomic)
  }

  func append(_ name: String, _ text: String) throws {
    let file = "\(path)/\(name)"
    if !FileManager.default.fileExists(atPath: file) { try Data().write(to: URL(fileURLWithPath: file)) }
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
  }

  static func stepLine(_ step: Int, loss: String, more: String = "") -> String {
    "{\"event\":\"step\",\"step\":\(step),\"epoch\":1,\"examples\":80,\"loss\":\(loss),\"train_accuracy\":0.5,"
      + "\"time\":1800000000.5,\"learning_rate\":0.001,\"seconds\":0.01\(more)}\n"
  }

  static func status(state: RunStatus.State = .running, updated: Double = Date().timeIntervalSince1970) -> RunStatus {
    var status = RunStatus(
      pid: getpid(), host: ProcessInfo.processInfo.hostName, program: "0.1.0", started: 1, updated: updated,
      lastProgress: 2, headline: "digits", model: "mlp:8", optimizer: "adam", data: "digits", totalSteps: 36,
      stepsPerEpoch: 18, totalEpochs: 2, figures: [RunStatus.Named(name: "accuracy", title: "accuracy")],
      microBatches: 8)
    status.state = state
    return status
  }
}
