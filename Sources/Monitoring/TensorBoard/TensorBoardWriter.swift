internal import Files
internal import Foundation
internal import Kernels
internal import Runs
package import Schema
internal import Synchronization

/// Writes a run's curves for TensorBoard, into the run's folder. Its own thread reads them from the run's metrics, so the run
/// itself does nothing for them.
package final class TensorBoardWriter: Sendable {
  /// What is written at the beginning.
  package struct Job: Sendable {
    let options: [String: OptionValue]
    let yaml: String
    /// Names of what is measured, beside the loss.
    let figures: [String]
    let parts: [String]

    /// - Parameters:
    ///   - figures: what is measured beside the loss.
    ///   - parts: of the data that are evaluated.
    package init(options: [String: OptionValue], yaml: String, figures: [String], parts: [String]) {
      (self.options, self.yaml, self.figures, self.parts) = (options, yaml, figures, parts)
    }
  }

  private struct State {
    var histograms: [(step: Int, values: [(tag: String, histogram: Histogram)])] = []
    var isEnding = false
    var hasSucceeded = false
  }

  private let state = Mutex(State())
  private let ended = DispatchSemaphore(value: 0)
  private let woken = DispatchSemaphore(value: 0)

  /// Begins a file in the run's folder, with all metrics that are there.
  ///
  /// - Parameters:
  ///   - warn: gets a sentence if the file cannot be written. Nothing is written any more then.
  package init(folder: String, _ job: Job, warn: @escaping @Sendable (String) -> Void) {
    let thread = Thread { [self] in
      defer { ended.signal() }
      lowerPriority()
      do {
        try write(folder, job)
      } catch {
        warn("there will be no more curves for TensorBoard: \(error)")
        // So that nothing is kept for it.
        state.withLock { $0.isEnding = true }
      }
    }
    thread.start()
  }

  /// Adds histograms of a step.
  package func add(step: Int, _ values: [(tag: String, histogram: Histogram)]) {
    state.withLock { if !$0.isEnding { $0.histograms.append((step, values)) } }
  }

  /// Writes the rest.
  package func finish(hasSucceeded: Bool) {
    state.withLock { ($0.isEnding, $0.hasSucceeded) = (true, hasSucceeded) }
    woken.signal()
    ended.wait()
  }

  private func write(_ folder: String, _ job: Job) throws {
    let start = Date().timeIntervalSince1970
    let name = "\(RunFolder.curvesPrefix)\(Int(start)).\(ProcessInfo.processInfo.hostName).\(getpid()).0"
    let file = try RecordFile("\(folder)/\(name)")
    try file.append(EventFile.version(time: start))
    // TensorBoard may know points of a former process, whose files are gone.
    try file.append(EventFile.restart(time: start, step: 0))
    try file.append(EventFile.summary(time: start, step: 0, job.values(start)))
    var metrics = LineTail("\(folder)/\(RunFolder.metricsName)")
    defer { metrics.close() }
    while true {
      let (histograms, isEnding, hasSucceeded) = state.withLock { state in
        defer { state.histograms = [] }
        return (state.histograms, state.isEnding, state.hasSucceeded)
      }
      while case .lines(let lines) = try metrics.poll() {
        for line in lines.lazy.compactMap({ MetricsLine($0) }) {
          let values = line.scalars
          if !values.isEmpty { try file.append(EventFile.summary(time: line.time ?? start, step: line.step, values)) }
        }
      }
      let now = Date().timeIntervalSince1970
      for (step, values) in histograms {
        try file.append(
          EventFile.summary(time: now, step: step, values.map { EventFile.histogram($0.tag, $0.histogram) }))
      }
      if isEnding {
        try file.append(
          EventFile.summary(time: now, step: 0, [Job.end(now, hasSucceeded)]))
        return try file.flush()
      }
      try file.flush()
      _ = woken.wait(timeout: .now() + 1)
    }
  }
}

/// A file of TensorBoard's records.
private final class RecordFile {
  private let path: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []

  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot write \(path)") }
  }

  deinit { close(descriptor) }

  func append(_ message: ProtobufMessage) throws {
    buffer += EventFile.record(message)
    if buffer.count >= 1 << 16 { try flush() }
  }

  func flush() throws {
    try buffer.withUnsafeBytes { try writeAll($0, to: descriptor, path: path) }
    buffer.removeAll(keepingCapacity: true)
  }
}

extension MetricsLine {
  /// What a line says, by TensorBoard's tags.
  fileprivate var scalars: [ProtobufMessage] {
    let part: String
    var values: [(String, Double?)] = []
    switch event {
    case .steps:
      part = "train"
      values = [
        ("learning_rate", learningRate),
        ("examples_per_second", seconds > 0 ? Double(examples) / seconds : nil),
        ("step_seconds/total", seconds / Double(step - first + 1)),
        ("step_seconds/sums_and_updates", sumUpdateSeconds.map { $0 / Double(step - first + 1) }),
        ("step_seconds/messages", sendSeconds.map { $0 / Double(step - first + 1) }),
      ]
    case .evaluation(let name): part = name
    case .epoch, .checkpoint: return []
    }
    values.append(("\(part)/loss", loss ?? .nan))
    values += figures.sorted { $0.key < $1.key }.map { ("\(part)/\($0.key)", $0.value) }
    return values.compactMap { tag, value in value.map { EventFile.scalar(tag, $0) } }
  }
}
