internal import Foundation
internal import Runs

/// What the page is told of a run.
extension RunFeed {
  func json(id: String, name: String) throws -> String {
    "{\"id\":\(quoted(id)),\"name\":\(quoted(name)),\"path\":\(quoted(path)),\"kind\":\"run\","
      + "\"job\":\(job.map(quoted) ?? "null"),\"status\":\(try statusText),\"summary\":\(summaryText ?? "null"),"
      + "\"problem\":\(problem.map(quoted) ?? "null"),\"log\":\(try Monitoring.json(log)),"
      + "\"epochs\":\(try Monitoring.json(epochs.suffix(RunFeed.mostEpochs))),"
      + "\"checkpoints\":\(try Monitoring.json(checkpoints.suffix(RunFeed.mostCheckpoints)))}"
  }

  var statusText: String {
    get throws { try status.map { String(decoding: try $0.encoded(), as: UTF8.self) } ?? "null" }
  }

  /// The curves of the steps in `range`, of at most `points` points each.
  func curvesJSON(_ range: ClosedRange<Int>, points: Int) -> String {
    "{\"generation\":\(quoted(generation)),\"next\":\(lineCount + 1),"
      + curves.map { "\"\($0.part)\":" + $0.curve.json($0.curve.indices(of: range), limit: points) }.joined(
        separator: ",") + "}"
  }

  /// More points than these are not sent as news.
  static let mostNews = 2000

  /// What came from line `line` on; nil if it is too much, or was read before.
  func newsJSON(id: String, from line: Int) throws -> String? {
    guard line <= lineCount + 1 else { return nil }
    let ranges = curves.map { $0.curve.index(ofLine: line)..<$0.curve.count }
    guard ranges.allSatisfy({ $0.count <= RunFeed.mostNews }) else { return nil }
    let parts = zip(curves, ranges).map { "\"\($0.part)\":" + $0.curve.json($1, limit: RunFeed.mostNews) }
    return "{\"run\":\(quoted(id)),\"generation\":\(quoted(generation)),\"next\":\(lineCount + 1),"
      + parts.joined(separator: ",") + ",\"epochs\":\(try Monitoring.json(epochs.filter { $0.line >= line })),"
      + "\"checkpoints\":\(try Monitoring.json(checkpoints.filter { $0.line >= line }))}"
  }
}
