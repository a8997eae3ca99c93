internal import ArgumentParser

/// How long a coordinator waits for its workers.
struct LimitFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How long a worker may be silent before its micro-batches go to others; at least 1.", valueName: "seconds"))
  var silenceLimit = 5.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How long a run without a worker, or without progress, waits before it is saved and ends.", valueName: "seconds"))
  var workerTimeout = 300.0

  var limits: Limits {
    var limits = Limits(silence: silenceLimit)
    limits.workers = workerTimeout
    return limits
  }

  func validate() throws {
    try checkSilenceLimit(silenceLimit)
    guard workerTimeout > 0, workerTimeout <= 1e9 else {
      throw ValidationError("--worker-timeout \(workerTimeout): a number of seconds above 0 is needed")
    }
  }
}

/// Refuses limits that a busy peer would not keep.
func checkSilenceLimit(_ seconds: Double) throws {
  guard (1...1e9).contains(seconds) else {
    throw ValidationError("--silence-limit \(seconds): a number of seconds from 1 on is needed")
  }
}
