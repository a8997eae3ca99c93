internal import Protocol

/// Decides which refusals are reported: each source at most once a minute, and at most ``maxSources`` sources a minute.
struct RefusalLog {
  private static let pause = 60.0
  private static let maxSources = 100

  private var reported: [String: Instant] = [:]
  private var hasReportedFlood = false
  /// Refusals since the last one that was reported.
  private var suppressed = 0

  enum Decision: Equatable {
    case nothing
    /// Report this one, and how many were suppressed before it.
    case refusal(suppressed: Int)
    /// Report that from now on not every source is reported.
    case flood
  }

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
