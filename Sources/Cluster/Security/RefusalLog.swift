internal import Protocol

/// Which refusals are reported: each source's at most once a minute, and of a flood of sources no more than can be read.
struct RefusalLog {
  private static let pause = 60.0
  private static let maxSources = 100

  private var reported: [String: Instant] = [:]
  private var hasReportedFlood = false
  /// Refusals that were not reported since the last that was.
  private var suppressed = 0

  enum Decision: Equatable {
    case nothing
    /// This one, and how many were not reported before it.
    case refusal(suppressed: Int)
    /// From here on, not every source.
    case flood
  }

  /// Takes in a refusal of `source`.
  mutating func add(_ source: String, at now: Instant) -> Decision {
    if reported.count >= RefusalLog.maxSources {
      reported = reported.filter { now.seconds(since: $0.value) < RefusalLog.pause }
      if reported.count < RefusalLog.maxSources { hasReportedFlood = false }
    }
    if let last = reported[source], now.seconds(since: last) < RefusalLog.pause {
      suppressed += 1
      return .nothing
    }
    guard reported.count < RefusalLog.maxSources else {
      suppressed += 1
      defer { hasReportedFlood = true }
      return hasReportedFlood ? .nothing : .flood
    }
    reported[source] = now
    defer { suppressed = 0 }
    return .refusal(suppressed: suppressed)
  }
}
