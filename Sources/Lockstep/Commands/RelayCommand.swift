internal import ArgumentParser
internal import Cluster
internal import Protocol
internal import Runs
internal import Schema
internal import ZeroMQ

struct RelayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "relay",
    abstract: "Let workers join that do not reach the coordinator, and add their gradients.",
    discussion: """
      Workers connect to the relay as they would to the coordinator, and several relays may follow each other. The \
      relay needs neither the data nor the model. It adds the sums of the workers behind it and hands parameters on, so \
      that its link to the coordinator carries them once. The bits stay the same.
      """)

  enum Section: OptionSection {
    static let bind = OptionDeclaration.text(
      "bind", valueName: "address", decides: false, "Listen here for workers and other relays: tcp://HOST:PORT.")
    static let options = [
      WorkerCommand.Section.connect, bind, .relayAdvertise, WorkerCommand.Section.connectTimeout,
      WorkerCommand.Section.reconnectTimeout, WorkerCommand.Section.silenceLimit, .timeline,
    ]

    static func check(_ given: DeclaredOptions<Self>) throws {
      guard given.has(bind) else {
        throw ValidationError("--bind ADDRESS says where to listen for workers, such as --bind tcp://0.0.0.0:5556")
      }
    }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Keys")
  var keys: DeclaredOptions<WorkerKeySection>

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(4096)
    var limits = Limits(silenceLimit: own.real(WorkerCommand.Section.silenceLimit))
    limits.connectTimeout = own.real(WorkerCommand.Section.connectTimeout)
    limits.reconnectTimeout = own.real(WorkerCommand.Section.reconnectTimeout)
    let name = "relay \(Worker.name)"
    let timeline = try own.text(.timeline).map { try Timeline($0, process: name) }
    let connect = try own.text(WorkerCommand.Section.connect) ?? DefaultAddress.forWorker()
    try checkEndpoint(connect, of: "connect")
    Allocator.keepFreedMemory()
    let security = try keys.security(of: connect)
    let settings = try keys.relaySettings(
      binding: own.text(Section.bind)!, advertising: own.text(.relayAdvertise), security)
    let relay = try Worker(
      connecting: connect, name: name, threads: 0, security: security, relaying: settings, timeline: timeline,
      limits: limits, warn: { printError("warning: \($0)") }
    ) { _ in throw TrainingError("the coordinator at \(connect) takes this relay for a worker") }
    defer { finish(timeline) }
    printLine("\(name): connecting to \(connect)")
    relay.printRelayAddress(security)
    try relay.run(signals, endsWithInput: false)
  }
}
