internal import Dispatch

/// A moment on a clock that never goes back, in nanoseconds. The state machines get it from outside.
public struct Instant: Comparable, Hashable, Sendable {
  /// Since the clock's own beginning.
  public var nanoseconds: Int64

  /// A moment.
  public init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// This machine's clock now.
  public static var now: Instant { Instant(nanoseconds: Int64(DispatchTime.now().uptimeNanoseconds)) }

  /// The earlier first.
  public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  /// Seconds from `start` to this moment.
  public func seconds(since start: Instant) -> Double { Double(nanoseconds - start.nanoseconds) * 1e-9 }

  /// The moment `seconds` after this one.
  func advanced(by seconds: Double) -> Instant { Instant(nanoseconds: nanoseconds + Int64(seconds * 1e9)) }
}

/// How long each side waits for the other, in seconds.
public struct Limits: Equatable, Sendable {
  /// Between two pings.
  public var ping: Double
  /// Without a word from a peer until it counts as gone.
  public var silence: Double
  /// A worker's time for its leaves until idle workers compute them as well.
  public var progress = 10.0
  /// The coordinator without any worker, or without any progress, until the run fails.
  public var workers = 300.0
  /// A run that is to stop, until it does not wait for the present step any more.
  public var stop = 8.0
  /// The coordinator after its run, for workers that answer but have not read its goodbye yet.
  public var farewell = 60.0
  /// A worker's wait for a coordinator that has never answered.
  public var connect = 8.0
  /// A worker's wait for a coordinator that it has lost; 0 gives up at once.
  public var reconnect = 300.0

  /// ``silence`` as ZeroMQ takes it.
  var silenceMilliseconds: Int32 { Int32(min(silence, 1e6) * 1000) }

  /// The defaults; several pings fit into the silence.
  public init(silence: Double = 5) {
    self.silence = silence
    ping = min(1, silence / 4)
  }
}
