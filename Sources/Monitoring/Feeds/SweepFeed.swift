internal import Files
internal import Foundation
internal import Reports
internal import Runs

/// Follows a sweep by the files of its folder.
package final class SweepFeed {
  package let path: String
  private var status: SweepStatus?
  /// By file: nil where it cannot be read.
  private var files: [String: (time: FileTime?, result: TrialResult?)] = [:]
  private var results: [String: TrialResult] { files.compactMapValues(\.result) }
  private var hasReport = false
  private(set) var problem: String?
  /// Counts what has changed.
  private(set) var changes = 0
  private var isLost = false

  /// Evaluations of a trial that are shown.
  private static let evaluations = 200

  /// - Throws: ``FileError`` if there is no sweep's folder at `path`.
  package init(_ path: String) throws {
    self.path = path
    guard SweepFeed.isSweep(path) else { throw FileError("\(path) is no sweep's folder: it has no sweep.json") }
  }

  /// Whether the folder at `path` holds a sweep.
  package static func isSweep(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(path)/sweep.json")
  }

  package func poll() {
    let before = (status, hasReport, problem, isLost)
    problem = nil
    let file = "\(path)/\(SweepStatus.name)"
    if let data = FileManager.default.contents(atPath: file) {
      do { status = try JSONDecoder().decode(SweepStatus.self, from: data) } catch {
        problem = "\(SweepStatus.name) cannot be read: \(error)"
      }
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/trials")) ?? []
    let present = Set(names.filter { $0.hasSuffix(".json") })
    var hasChanged = false
    for gone in files.keys where !present.contains(gone) {
      files[gone] = nil
      hasChanged = true
    }
    for name in present {
      let path = "\(path)/trials/\(name)"
      let time = FileTime(path)
      if let known = files[name], known.time == time { continue }
      let result = FileManager.default.contents(atPath: path).flatMap {
        try? JSONDecoder().decode(TrialResult.self, from: $0)
      }
      files[name] = (time, result)
      hasChanged = true
    }
    let unreadable = files.filter { $0.value.result == nil }.keys
    if let name = unreadable.min() {
      problem = "\(unreadable.count) of the trials' files cannot be read, such as \(name)"
    }
    hasReport = FileManager.default.fileExists(atPath: "\(path)/report.html")
    isLost = status.map { $0.state == "running" && RunFeed.isGone($0.pid, $0.host) } ?? false
    if hasChanged || before != (status, hasReport, problem, isLost) {
      changes += 1
    }
  }

  private struct Entry: Encodable {
    struct Curve: Encodable {
      let step: [Int]
      let loss: [Double?]
    }

    let name: String
    let optimizer: String
    let options: [String: String]
    let outcome: String
    let error: String?
    let loss: Double?
    let testLoss: Double?
    let steps: Int
    let seconds: Double
    let learningRate: Double
    let evaluations: Curve

    init(_ trial: Trial, outcome: String, _ result: TrialResult? = nil) {
      (name, optimizer, self.outcome, error) = (trial.name, trial.rule, outcome, result?.error)
      options = Dictionary(trial.choices.map { ($0.option, $0.value) } + [("seed", "\(trial.seed)")]) { $1 }
      loss = result.flatMap { $0.loss.isFinite ? $0.loss : nil }
      testLoss = result?.summary.testLoss
      (steps, seconds) = (result?.summary.steps ?? 0, result?.summary.seconds ?? 0)
      learningRate = trial.rate
      let all = result?.evaluations ?? []
      let size = max((all.count + SweepFeed.evaluations - 1) / SweepFeed.evaluations, 1)
      let shown = all.enumerated().filter { ($0.offset + 1) % size == 0 || $0.offset == all.count - 1 }.map(\.element)
      evaluations = Curve(step: shown.map(\.step), loss: shown.map(\.loss))
    }
  }

  /// - Parameter key: what the identifier is called.
  func json(id: String, name: String, as key: String = "id") throws -> String {
    let ended = results.sorted { $0.key < $1.key }.map {
      Entry($0.value.trial, outcome: $0.value.outcome.rawValue, $0.value)
    }
    let running = isLost ? [] : (status?.running ?? []).map { Entry($0, outcome: "running") }
    let state = isLost ? "lost" : status?.state ?? (hasReport ? "completed" : "lost")
    func text(_ value: String?) -> String { value.map(quoted) ?? "null" }
    func time(_ value: Double?) -> String { value.map { number($0) } ?? "null" }
    return "{\"\(key)\":\(quoted(id))" + (key == "id" ? "" : ",\"id\":\(quoted(id))")
      + ",\"name\":\(quoted(name)),\"path\":\(quoted(path)),\"kind\":\"sweep\","
      + "\"headline\":\(text(status?.headline)),\"state\":\(quoted(state)),\"error\":\(text(status?.error)),"
      + "\"problem\":\(text(problem)),\"trials\":\(try Monitoring.json(ended + running)),"
      + "\"planned\":\(status?.planned ?? results.count),\"ended\":\(status?.ended ?? results.count),"
      + "\"report\":\(hasReport ? "\"report.html\"" : "null"),\"log\":[],"
      + "\"started\":\(time(status?.started)),\"updated\":\(time(status?.updated))}"
  }
}
