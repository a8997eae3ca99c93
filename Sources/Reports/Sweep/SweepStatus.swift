/// `status.json` of a sweep: what it is doing now.
package struct SweepStatus: Codable, Equatable, Sendable {
  package static let name = "status.json"

  /// `running`, `completed` or `failed`.
  package var state = "running"
  package var error: String?
  package var pid: Int32
  package var host: String
  package var headline: String
  /// In seconds since 1970.
  package var started: Double
  package var updated: Double
  /// Trials of the present round, and how many of them have ended.
  package var planned = 0
  package var ended = 0
  /// What run now.
  package var running: [Trial] = []

  package init(pid: Int32, host: String, headline: String, now: Double) {
    (self.pid, self.host, self.headline, started, updated) = (pid, host, headline, now, now)
  }
}
