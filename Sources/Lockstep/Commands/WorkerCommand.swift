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
      "Listen here to be a relay: other workers send parts of their gradients to this one, and get parameters from it; "
        + "workers that connect here join the run through this one.")
    static let options = [
      connect, bind, .relayAdvertise, threads, connectTimeout, reconnectTimeout, silenceLimit, .timeline,
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
    printLine("\(name): connecting to \(connect) with \(count(threads, "thread"))")
    // A program that starts workers needs no advice.
    if !endWithInput { worker.printRelayAddress(security) }
    try worker.run(signals, endsWithInput: endWithInput)
  }

  /// Where to listen for other workers; nil for nowhere.
  private func relaySettings(_ security: WorkerSecurity?) throws -> RelaySettings? {
    try own.text(Section.bind).map {
      try keys.relaySettings(binding: $0, advertising: own.text(.relayAdvertise), security)
    }
  }
}
