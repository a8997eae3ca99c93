internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Models
internal import Protocol
internal import Reports
internal import Runs
internal import Schema
internal import ZeroMQ

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Compute for a coordinator.",
    discussion: """
      The job comes from the coordinator. A worker may be started before it. Each option can also be given by the \
      environment: LOCKSTEP_CONNECT for --connect, and so on.
      """)

  enum Section: OptionSection {
    static let connect = OptionDeclaration.text(
      "connect", valueName: "address", defaultText: "the path where this user's `lockstep coordinator` listens",
      decides: false, "The coordinator's address: tcp://HOST:PORT or ipc://PATH.")
    static let threads = OptionDeclaration.threads("Compute threads.")
    static let connectTimeout = OptionDeclaration.real(
      "connect-timeout", default: 8, .above0(upTo: 1e9), valueName: "seconds", decides: false,
      "How long to wait for a coordinator that does not answer yet.")
    static let reconnectTimeout = OptionDeclaration.real(
      "reconnect-timeout", default: 300, .within(0...1e9), valueName: "seconds", decides: false,
      "How long to look for a coordinator that was lost, such as one that is started again; 0 for not at all.")
    static let silenceLimit = OptionDeclaration.silenceLimit(
      "How long the coordinator may be silent before it counts as lost; at least 1.")
    static let bind = OptionDeclaration.text(
      "bind", valueName: "address", defaultText: "none", decides: false,
      "Listen here to be a relay: other workers send parts of their gradients to this one, and get parameters from it.")
    static let advertise = OptionDeclaration.text(
      "advertise", valueName: "host", defaultText: "the address on the route to other networks", decides: false,
      "What other workers call this machine, if --bind listens on all interfaces.")
    static let options = [
      connect, bind, advertise, threads, connectTimeout, reconnectTimeout, silenceLimit, .timeline,
    ]
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Keys")
  var keys: DeclaredOptions<WorkerKeySection>

  @Option(help: .hidden)
  var name = Worker.name

  @Flag(help: .hidden)
  var endWithInput = false

  @Option(help: .hidden)
  var appendTimeline: String?

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(64)
    let threads = own.whole(Section.threads)
    var limits = Limits(silenceLimit: own.real(Section.silenceLimit))
    limits.connectTimeout = own.real(Section.connectTimeout)
    limits.reconnectTimeout = own.real(Section.reconnectTimeout)
    let timeline = try (appendTimeline ?? own.text(.timeline)).map {
      try Timeline($0, process: "worker \(name)", appending: appendTimeline != nil)
    }
    let connect = try own.text(Section.connect) ?? DefaultAddress.forWorker()
    try checkEndpoint(connect, of: "connect")
    Allocator.keepFreedMemory()
    let security = try keys.security(of: connect)
    let worker = try Worker(
      connecting: connect, name: name, threads: threads, security: security, relaying: relaySettings(security),
      timeline: timeline, limits: limits, warn: { printError("warning: \($0)") }
    ) { try LoadedTask($0, models: ModelKinds.registry.all) }
    defer { finish(timeline) }
    signals.onSignal { [mailbox = worker.mailbox] signal in mailbox.fail("interrupted by \(signal.name)") }
    if endWithInput {
      Thread.detachNewThread { [mailbox = worker.mailbox] in
        // Not with FileHandle, which traps when a signal interrupts it, so that a crash elsewhere would be told as this.
        var byte: UInt8 = 0
        var count = 1
        while count > 0 || count < 0 && errno == EINTR { count = read(STDIN_FILENO, &byte, 1) }
        mailbox.fail("the program that started this worker has ended")
      }
    }
    printLine("\(name): connecting to \(connect) with \(count(threads, "thread"))")
    do {
      try worker.run()
    } catch {
      if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
      throw error
    }
    printLine("done: the run is over")
  }

  /// Where to listen for other workers; nil for nowhere.
  private func relaySettings(_ security: WorkerSecurity?) throws -> RelaySettings? {
    guard let bind = own.text(Section.bind) else { return nil }
    try checkEndpoint(bind, of: "bind")
    let host = own.text(Section.advertise)
    return RelaySettings(binding: bind, security: try keys.relaySecurity(of: bind, security)) {
      try AdvertisedAddress(of: $0, as: host).address
    }
  }
}
