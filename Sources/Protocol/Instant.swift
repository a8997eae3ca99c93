/// A moment on a clock that never goes back, in nanoseconds. The state machines get it from outside.
package struct Instant: Comparable, Hashable, Sendable {
  /// Since the clock's own beginning.
  package var nanoseconds: Int64

  /// A moment.
  package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// The earlier first.
  package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  /// Seconds from `start` to this moment.
  package func seconds(since start: Instant) -> Double { Double(nanoseconds - start.nanoseconds) * 1e-9 }

  /// The moment `seconds` after this one.
  package func advanced(by seconds: Double) -> Instant { Instant(nanoseconds: nanoseconds + Int64(seconds * 1e9)) }
}

/// How long each side waits for the other, in seconds.
package struct Limits: Equatable, Sendable {
  /// Between two pings.
  package var pingInterval: Double
  /// Without a word from a peer until it counts as gone.
  package var silenceLimit: Double
  /// A worker's time for its leaves until idle workers compute them as well.
  package var progressTimeout = 10.0
  /// The coordinator without any worker, or without any progress, until the run fails.
  package var workerTimeout = 300.0
  /// A run that is to stop, until it does not wait for the present step any more.
  package var stopTimeout = 8.0
  /// The coordinator after its run, for workers that answer but have not read its goodbye yet.
  package var shutdownTimeout = 60.0
  /// A worker's wait for a coordinator that has never answered.
  package var connectTimeout = 8.0
  /// A worker's wait for a coordinator that it has lost; 0 gives up at once.
  package var reconnectTimeout = 300.0

  /// The defaults; several pings fit into the silence.
  package init(silenceLimit: Double = 5) {
    self.silenceLimit = silenceLimit
    pingInterval = min(1, silenceLimit / 4)
  }
}
