internal import ArgumentParser
internal import Protocol

/// How workers on the coordinator's machine exchange parameters and gradients with it.
enum Transport: String, ExpressibleByArgument, CaseIterable {
  /// In memory that both have mapped, where that can be.
  case auto
  /// In ZeroMQ's messages, as between machines.
  case zmq
}

/// How a coordinator talks to its workers, which it takes, and how long it waits for them.
struct Connections {
  var sharesMemory = true
  var acceptsOtherNumerics = false
  var limits = Limits()
}

/// The options that ``Connections`` come from.
struct ConnectionFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Parameters and gradients: auto shares memory with workers on this machine, zmq sends them as to others."))
  var transport = Transport.auto

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

  @Flag(
    help: "Take in workers that compute other bits than the first one: the result then depends on who computes what.")
  var acceptOtherNumerics = false

  var connections: Connections {
    var connections = Connections(sharesMemory: transport == .auto, acceptsOtherNumerics: acceptOtherNumerics)
    connections.limits = Limits(silence: silenceLimit)
    connections.limits.workers = workerTimeout
    return connections
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
