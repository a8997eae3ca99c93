internal import Files
internal import Foundation

/// `log.jsonl`: what has happened in a run, a JSON object a line. At most ``mostLines`` a process, because a worker may
/// come and go for ever.
package final class RunLog {
  package static let name = "log.jsonl"
  static let mostLines = 10_000

  package struct Line: Codable, Equatable, Sendable {
    package enum Kind: String, Codable, Sendable {
      case started, joined, left, note, warning, ended, error
    }

    /// Seconds since 1970.
    package var time: Double
    /// Steps done.
    package var step: Int
    package var kind: Kind
    package var text: String

    /// A line of now.
    package init(_ kind: Kind, _ text: String, step: Int) {
      (self.step, self.kind, self.text) = (step, kind, text)
      time = (Date().timeIntervalSince1970 * 1000).rounded() / 1000
    }
  }

  private let file: LineFile
  private var count = 0
  private let encoder = JSONEncoder()

  /// - Throws: ``FileError`` if `path` cannot be written.
  init(_ path: String, appending: Bool) throws {
    file = try LineFile(path: path, appending: appending)
    // The process before may have been killed in the middle of a line.
    if appending, let last = try? FileHandle(forReadingFrom: URL(fileURLWithPath: path)) {
      let end = try last.seekToEnd()
      if end > 0 {
        try last.seek(toOffset: end - 1)
        if try last.read(upToCount: 1) != Data([0x0A]) { try file.append("") }
      }
      try last.close()
    }
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  /// Writes `line` at once.
  func append(_ line: Line) throws {
    count += 1
    guard count <= RunLog.mostLines || line.kind == .ended || line.kind == .error else { return }
    var line = line
    if count == RunLog.mostLines { line.text += " (further lines are only printed)" }
    try file.append(String(decoding: encoder.encode(line), as: UTF8.self))
    try file.flush()
  }
}
