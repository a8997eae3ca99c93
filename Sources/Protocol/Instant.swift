/// A moment on a monotonic clock. State machines never read the clock; callers pass the moment.
package struct Instant: Comparable, Hashable, Sendable {
  package var nanoseconds: Int64

  package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  package func seconds(since start: Instant) -> Double { Double(nanoseconds - start.nanoseconds) * 1e-9 }

  package func advanced(by seconds: Double) -> Instant { Instant(nanoseconds: nanoseconds + Int64(seconds * 1e9)) }
}

/// Timeouts, in seconds.
package struct Limits: Equatable, Sendable {
  package var pingInterval: Double
  /// A peer that sends nothing for this long counts as gone (`--silence-limit`).
  package var silenceLimit: Double
  /// A worker without progress for this long is lagging: idle workers compute its leaves too.
  package var progressTimeout = 10.0
  /// A run without workers, or without progress, fails after this (`--worker-timeout`).
  package var workerTimeout = 300.0
  /// A run that was asked to stop waits this long for the current step.
  package var stopTimeout = 8.0
  /// After a run, the coordinator waits this long for workers to answer its GOODBYE.
  package var shutdownTimeout = 60.0
  /// A worker waits this long for its first coordinator (`--connect-timeout`).
  package var connectTimeout = 8.0
  /// A worker waits this long for a lost coordinator (`--reconnect-timeout`); 0 gives up at once.
  package var reconnectTimeout = 300.0

  /// Several pings fit into `silenceLimit`.
  package init(silenceLimit: Double = 5) {
    self.silenceLimit = silenceLimit
    pingInterval = min(1, silenceLimit / 4)
  }
}
