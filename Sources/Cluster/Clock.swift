internal import Dispatch
package import Protocol

extension Instant {
  package static var now: Instant { Instant(nanoseconds: Int64(DispatchTime.now().uptimeNanoseconds)) }
}

extension Limits {
  /// ``silenceLimit`` as ZeroMQ takes it.
  var silenceLimitMilliseconds: Int32 { Int32(min(silenceLimit, 1e6) * 1000) }
}
