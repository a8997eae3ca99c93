internal import Protocol

/// Which refusals are told: each source's at most once a minute, and of a flood of sources no more than can be read.
struct RefusalLog {
  private static let pause = 60.0
  private static let mostSources = 100

  private var told: [String: Instant] = [:]
  private var isFullTold = false
  /// Refusals that were not told since the last that was.
  private var silent = 0

  enum Telling: Equatable {
    case nothing
    /// This one, and how many were not told before it.
    case refusal(silent: Int)
    /// From here on, not every source.
    case flood
  }

  /// Takes in a refusal of `source`.
  mutating func add(_ source: String, at now: Instant) -> Telling {
    if told.count >= RefusalLog.mostSources {
      told = told.filter { now.seconds(since: $0.value) < RefusalLog.pause }
      if told.count < RefusalLog.mostSources { isFullTold = false }
    }
    if let last = told[source], now.seconds(since: last) < RefusalLog.pause {
      silent += 1
      return .nothing
    }
    guard told.count < RefusalLog.mostSources else {
      silent += 1
      defer { isFullTold = true }
      return isFullTold ? .nothing : .flood
    }
    told[source] = now
    defer { silent = 0 }
    return .refusal(silent: silent)
  }
}
