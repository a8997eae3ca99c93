internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports
internal import Runs
internal import ZeroMQ

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Compute for a coordinator.",
    discussion: """
      The job comes from the coordinator. A worker may be started before it. Each option can also be given by the \
      environment: LOCKSTEP_CONNECT for --connect, and so on.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The coordinator's address: tcp://HOST:PORT or ipc://PATH. (default: the path where this user's `lockstep coordinator` listens)",
      valueName: "address"))
  var connect: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Compute threads.", valueName: "count"))
  var threads = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long to wait for a coordinator that does not answer yet.", valueName: "seconds"))
  var connectTimeout = 8.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How long to look for a coordinator that was lost, such as one that is started again; 0 for not at all.",
      valueName: "seconds"))
  var reconnectTimeout = 300.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How long the coordinator may be silent before it counts as lost; at least 1.", valueName: "seconds"))
  var silenceLimit = 5.0

  @OptionGroup(title: "Keys")
  var keys: WorkerKeyFlags

  @Option(help: timelineHelp)
  var timeline: String?

  @Option(help: .hidden)
  var name = Worker.name

  @Flag(help: .hidden)
  var endWithInput = false

  @Option(help: .hidden)
  var appendTimeline: String?

  func validate() throws {
    try checkThreads(threads)
    try checkSilenceLimit(silenceLimit)
    guard reconnectTimeout >= 0, reconnectTimeout <= 1e9 else {
      throw ValidationError("--reconnect-timeout \(reconnectTimeout): a number of seconds from 0 on is needed")
    }
    guard connectTimeout > 0, connectTimeout <= 1e9 else {
      throw ValidationError("--connect-timeout \(connectTimeout): a number of seconds above 0 is needed")
    }
  }

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(64)
    var limits = Limits(silence: silenceLimit)
    limits.connect = connectTimeout
    limits.reconnect = reconnectTimeout
    let timeline = try (appendTimeline ?? timeline).map {
      try Timeline($0, process: "worker \(name)", appending: appendTimeline != nil)
    }
    let connect = try connect ?? DefaultAddress.forWorker()
    Allocator.keepFreedMemory()
    let worker = try Worker(
      connecting: connect, name: name, threads: threads, security: keys.security(of: connect), timeline: timeline,
      limits: limits
    ) { try LoadedTask($0, models: Registry.all) }
    defer { finish(timeline) }
    signals.onSignal { [mailbox = worker.mailbox] signal in mailbox.fail("interrupted by \(signal.name)") }
    if endWithInput {
      Thread.detachNewThread { [mailbox = worker.mailbox] in
        while FileHandle.standardInput.availableData.count > 0 {}
        mailbox.fail("the program that started this worker has ended")
      }
    }
    say("\(name): connecting to \(connect) with \(count(threads, "thread"))")
    do {
      try worker.run()
    } catch {
      if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
      throw error
    }
    say("done: the run is over")
  }
}
