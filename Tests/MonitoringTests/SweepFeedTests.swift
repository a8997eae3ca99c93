import Foundation
import Reports
import Testing

@testable import Monitoring
@testable import Runs

/// What is read of a sweep's folder.
@Suite struct SweepFeedTests {
  private let folder: RunFolderFixture
  private let trial = Trial("adam", [Trial.Choice("learning-rate", "0.001")], seed: 0)

  init() throws {
    folder = try RunFolderFixture()
    try folder.write("sweep.json", "{}")
    try FileManager.default.createDirectory(atPath: "\(folder.path)/trials", withIntermediateDirectories: true)
  }

  private func write(_ outcome: TrialResult.Outcome, _ error: String?, loss: Double) throws {
    var summary = RunSummary()
    summary.validation = ["loss": loss]
    let result = TrialResult(
      trial, outcome, error: error, summary: summary,
      evaluations: [TrialResult.Evaluation(step: 5, examples: 5, seconds: 1, loss: loss)])
    try folder.write("trials/\(trial.name).json", String(decoding: JSONEncoder().encode(result), as: UTF8.self))
  }

  private func trials(_ feed: SweepFeed) throws -> [[String: Any]] {
    let text = try feed.json(id: "0", name: "s")
    let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    return try #require(object["trials"] as? [[String: Any]])
  }

  @Test("a trial that has run again takes the place of its failure, and a damaged file is told until it is mended")
  func again() throws {
    let feed = try SweepFeed(folder.path)
    try write(.failed, "no host", loss: 1)
    feed.poll()
    #expect(try trials(feed).first?["outcome"] as? String == "failed")
    let changes = feed.changes
    feed.poll()
    #expect(feed.changes == changes)
    try write(.completed, nil, loss: 0.25)
    feed.poll()
    #expect(feed.changes > changes)
    let all = try trials(feed)
    #expect(all.count == 1 && all[0]["outcome"] as? String == "completed" && all[0]["loss"] as? Double == 0.25)
    try folder.write("trials/x.json", "{")
    feed.poll()
    #expect(feed.problem == "1 of the trials' files cannot be read, such as x.json")
    try FileManager.default.removeItem(atPath: "\(folder.path)/trials/x.json")
    feed.poll()
    #expect(feed.problem == nil)
  }

  @Test("what runs now is shown, unless its process is gone")
  func running() throws {
    let feed = try SweepFeed(folder.path)
    var status = SweepStatus(pid: getpid(), host: ProcessInfo.processInfo.hostName, headline: "h", now: 5)
    status.running = [trial]
    try folder.write("status.json", String(decoding: JSONEncoder().encode(status), as: UTF8.self))
    feed.poll()
    #expect(try trials(feed).first?["outcome"] as? String == "running")
    status.pid = 1 << 22 + 1
    try folder.write("status.json", String(decoding: JSONEncoder().encode(status), as: UTF8.self))
    feed.poll()
    #expect(try trials(feed).isEmpty)
    #expect(try feed.json(id: "0", name: "s").contains("\"state\":\"lost\""))
    #expect(throws: (any Error).self) { try SweepFeed("/") }
  }
}
