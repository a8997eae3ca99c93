internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Protocol
internal import Schema

struct CoordinatorCommand: RunCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator",
    abstract: "Hold the parameters of a run and wait for workers, which may come and go.",
    discussion: """
      Starts to train with the first worker. Workers of this user on this machine need nothing but `lockstep worker`; \
      those on other machines an address and keys. They load the data themselves, by the path that the job gives. \
      Each option but --option can also be given by the environment: LOCKSTEP_BIND for --bind, and so on.
      """)

  enum Section: OptionSection {
    static let bind = OptionDeclaration.text(
      "bind", valueName: "address",
      defaultText: "a path that this user alone can reach, where `lockstep worker` looks", decides: false,
      "Where to listen: tcp://HOST:PORT (port 0 takes any free one), or ipc://PATH.")
    static let options = [bind, .advertise, .topology, .timeline]

    static func check(_ given: DeclaredOptions<Self>) throws { _ = try Topology.given(given.text(.topology)) }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Keys")
  var keys: DeclaredOptions<CoordinatorKeySection>

  @OptionGroup
  var folder: DeclaredOptions<FolderSection>

  @OptionGroup(title: "Checkpoints")
  var checkpoints: DeclaredOptions<CheckpointSection>

  @OptionGroup(title: "Connections")
  var connections: DeclaredOptions<ConnectionSection>

  @OptionGroup(title: "Watching")
  var watching: DeclaredOptions<WatchSection>

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(1024)
    let isFoundByDefault = !own.has(Section.bind)
    let bind = try own.text(Section.bind) ?? DefaultAddress.forCoordinator()
    try checkEndpoint(bind, of: "bind")
    let security = try keys.security(of: bind)
    let run = try start(signals)
    defer { run.finishViews() }
    let timeline = try own.text(.timeline).map { try Timeline($0, process: "coordinator") }
    defer { finish(timeline) }
    let coordinator = try run.makeCoordinator(
      binding: boundEndpoint(bind), awaitedWorkers: 0, connections.chosen,
      topology: Topology.given(own.text(.topology)), security: security, timeline: timeline)
    defer { coordinator.waitForWorkers() }
    run.endOnSignal(coordinator)
    try run.introduce()
    if !isLocal(bind) { try run.explainWaitingChunks() }
    let reached = try AdvertisedAddress(of: coordinator.address, as: own.text(.advertise))
    let options = isFoundByDefault ? "" : " --connect \(reached.address)"
    printLine(
      "listening on \(coordinator.address)\(reached.remark); start workers with: "
        + "lockstep worker\(options)\(keys.isSecure ? " --key FILE --coordinator-key FILE" : "")")
    try run.run(coordinator, command: "coordinator --bind \(coordinator.address)\(keys.arguments)")
  }
}

extension OptionDeclaration {
  /// The host by which workers reach the coordinator.
  static let advertise = OptionDeclaration.text(
    "advertise", valueName: "host", defaultText: "this machine's on the way out", decides: false,
    "The host name or IP by which workers reach this machine, where --bind names none.")
}

/// Replaces port 0 by ZeroMQ's star for any free port.
func boundEndpoint(_ address: String) -> String {
  address.hasPrefix("tcp://") && address.hasSuffix(":0") ? address.dropLast() + "*" : address
}
