internal import Files
internal import Foundation
internal import Protocol
package import Runs

/// Follows a run by the files of its folder, live or finished.
package final class RunFeed {
  package let path: String
  /// The run as it is now; nil if its folder does not say.
  package private(set) var status: RunStatus?
  /// `summary.json` as it is; nil before the end.
  private(set) var summaryText: String?
  package private(set) var summary: RunSummary?
  private(set) var curves: [(part: String, curve: Curve)] = [
    ("train", Curve()), ("validation", Curve()), ("test", Curve()),
  ]
  private(set) var epochs: [Epoch] = []
  private(set) var checkpoints: [SavedState] = []
  private(set) var log: [RunLog.Line] = []
  /// Of all lines of the log, so that new ones can be told.
  private(set) var logCount = 0
  /// Changes when what was read before is void.
  private(set) var generation = RunFeed.newGeneration()
  /// Lines of the metrics file so far.
  var lineCount: Int { metrics.count }
  /// Counts changes of the status and the summary.
  private(set) var statusChanges = 0
  /// What cannot be read; nil if all can.
  package private(set) var problem: String?
  /// Called with each line of metrics; nil for nothing.
  var onLine: ((MetricsLine) -> Void)?

  private var metrics: LineTail
  private var logTail: LineTail
  private var statusTime: FileTime?
  private var summaryTime: FileTime?
  private var trainedSeconds = 0.0
  private var strange: (count: Int, first: Int) = (0, 0)
  /// What is wrong with each file.
  private var problems: [String: String] = [:]
  private let readsMetrics: Bool
  /// Whether the process was found to be gone.
  private var isLost = false

  struct Epoch: Encodable {
    let line: Int
    let epoch: Int
    let step: Int
    let parametersSha256: String
  }

  struct SavedState: Encodable {
    let line: Int
    let step: Int
    let epoch: Int
    let pauseSeconds: Double
  }

  /// Lines of the log that are kept.
  static let logLines = 500
  static let mostEpochs = 2000
  static let mostCheckpoints = 100
  /// Seconds after which a run that says nothing is lost: on another machine, and on this one, where its process may be
  /// saving for long, and its number may have become another's.
  static let silenceLimits = (elsewhere: 60.0, here: 600.0)

  /// - Parameter readsMetrics: whether curves and the log are wanted, and not the status alone.
  /// - Throws: ``FileError`` if there is no run's folder at `path`.
  package init(_ path: String, readsMetrics: Bool = true) throws {
    (self.path, self.readsMetrics) = (path, readsMetrics)
    (metrics, logTail) = (LineTail("\(path)/\(RunFolder.metricsName)"), LineTail("\(path)/\(RunLog.name)"))
    guard FileManager.default.fileExists(atPath: "\(path)/job.yaml") else {
      throw FileError(
        FileManager.default.fileExists(atPath: path)
          ? "\(path) is no run's folder: it has no job.yaml" : "\(path): there is no such folder")
    }
  }

  deinit {
    metrics.close()
    logTail.close()
  }

  private static func newGeneration() -> String { String(UInt32.random(in: 0...UInt32.max), radix: 16) }

  /// Reads what is new. What cannot be read is told in ``problem``.
  package func poll() {
    // Before the metrics, so that all of these are there when the run has ended.
    readStatus()
    readSummary()
    if readsMetrics {
      readLog()
      readMetrics()
    }
    let lines = strange.count == 1 ? "a line that is no metrics" : "\(strange.count) lines that are no metrics"
    let damage = strange.count > 0 ? "\(RunFolder.metricsName) has \(lines), the first is line \(strange.first)" : nil
    let problem = problems.min { $0.key < $1.key }?.value ?? damage
    if problem != self.problem { statusChanges += 1 }
    self.problem = problem
  }

  private func readMetrics() {
    do {
      while true {
        switch try metrics.poll() {
        case .none:
          problems[RunFolder.metricsName] = nil
          return
        case .replaced:
          generation = RunFeed.newGeneration()
          for index in curves.indices { curves[index].curve = Curve() }
          (epochs, checkpoints, trainedSeconds, strange) = ([], [], 0, (0, 0))
        case .lines(let lines):
          for (index, line) in lines.enumerated() { add(line, number: metrics.count - lines.count + index + 1) }
        }
      }
    } catch {
      problems[RunFolder.metricsName] = "\(error)"
    }
  }

  private func add(_ bytes: ArraySlice<UInt8>, number: Int) {
    guard let line = MetricsLine(bytes) else {
      strange = (strange.count + 1, strange.count == 0 ? number : strange.first)
      return
    }
    switch line.event {
    case .steps:
      trainedSeconds += line.seconds
      curves[0].curve.append(line, number: number, time: trainedSeconds)
    case .evaluation(let part):
      curves[part == "validation" ? 1 : 2].curve.append(line, number: number, time: trainedSeconds)
    case .epoch(let hash):
      if epochs.count == 2 * RunFeed.mostEpochs { epochs.removeFirst(RunFeed.mostEpochs) }
      epochs.append(Epoch(line: number, epoch: line.epoch, step: line.step, parametersSha256: hash))
    case .checkpoint(let pause):
      if checkpoints.count == 2 * RunFeed.mostCheckpoints { checkpoints.removeFirst(RunFeed.mostCheckpoints) }
      checkpoints.append(SavedState(line: number, step: line.step, epoch: line.epoch, pauseSeconds: pause))
    }
    onLine?(line)
  }

  private func readLog() {
    problems[RunLog.name] = nil
    do {
      switch try logTail.poll() {
      case .none: break
      case .replaced: (log, logCount) = ([], 0)
      case .lines(let lines):
        // A line that cannot be read is one of another version.
        let new = lines.compactMap { try? JSONDecoder().decode(RunLog.Line.self, from: Data($0)) }
        log = (log + new).suffix(RunFeed.logLines)
        logCount += new.count
      }
    } catch {
      problems[RunLog.name] = "\(error)"
    }
  }

  private func readStatus() {
    let file = "\(path)/\(RunStatus.name)"
    let time = FileTime(file)
    if time != statusTime {
      statusTime = time
      statusChanges += 1
      problems[RunStatus.name] = nil
      do {
        status = try time.map { _ in try RunStatus.decode(Data(contentsOf: URL(fileURLWithPath: file))) }
      } catch {
        problems[RunStatus.name] = "\(RunStatus.name) cannot be read: \(error)"
      }
    }
    let now = Date().timeIntervalSince1970
    let isLost = status.map { RunFeed.isLost($0, at: now) } ?? false
    if isLost != self.isLost { statusChanges += 1 }
    self.isLost = isLost
    if isLost { status?.state = .lost }
  }

  private func readSummary() {
    let file = "\(path)/summary.json"
    let time = FileTime(file)
    guard time != summaryTime else { return }
    summaryTime = time
    statusChanges += 1
    problems["summary.json"] = nil
    do {
      let data = try time.map { _ in try Data(contentsOf: URL(fileURLWithPath: file)) }
      summary = try data.map { try JSONDecoder().decode(RunSummary.self, from: $0) }
      // On one line, as events need it.
      summaryText = try data.map {
        String(
          decoding: try JSONSerialization.data(
            withJSONObject: JSONSerialization.jsonObject(with: $0), options: [.sortedKeys, .withoutEscapingSlashes]),
          as: UTF8.self)
      }
    } catch {
      (summary, summaryText) = (nil, nil)
      problems["summary.json"] = "summary.json cannot be read: \(error)"
    }
  }

  /// Whether a run that has not ended has no process any more.
  static func isLost(_ status: RunStatus, at now: Double) -> Bool {
    guard status.state != .completed, status.state != .failed else { return false }
    let isHere = status.host == ProcessInfo.processInfo.hostName
    if now - status.updated > (isHere ? silenceLimits.here : silenceLimits.elsewhere) { return true }
    return isGone(status.pid, status.host)
  }

  /// Whether a process of this machine has ended.
  static func isGone(_ process: Int32, _ host: String) -> Bool {
    host == ProcessInfo.processInfo.hostName && kill(process, 0) != 0 && errno == ESRCH
  }

  package var job: String? { try? String(contentsOfFile: "\(path)/job.yaml", encoding: .utf8) }
}
