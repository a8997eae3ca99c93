internal import ArgumentParser
internal import Cluster
internal import Foundation

struct CoordinatorCommand: RunCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator",
    abstract: "Hold the parameters of a run and wait for workers, which may come and go.",
    discussion: """
      Starts to train with the first worker. Workers of this user on this machine need nothing but `lockstep worker`; \
      those on other machines an address and keys. They load the data themselves, by the path that the job gives. \
      Each option can also be given by the environment: LOCKSTEP_BIND for --bind, and so on.
      """)

  @Option(
    help: ArgumentHelp(
      "Where to listen: tcp://HOST:PORT (port 0 takes any free one), or ipc://PATH. (default: a path that this user alone can reach, where `lockstep worker` looks)",
      valueName: "address"))
  var bind: String?

  @Option(help: advertiseHelp)
  var advertise: String?

  @Option(help: timelineHelp)
  var timeline: String?

  @OptionGroup(title: "Keys")
  var keys: CoordinatorKeyFlags

  @OptionGroup
  var folder: FolderFlags

  @OptionGroup(title: "Checkpoints")
  var checkpoints: CheckpointFlags

  @OptionGroup(title: "Connections")
  var connections: ConnectionFlags

  @OptionGroup(title: "Job options")
  var job: JobFlags

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(1024)
    let isFoundByDefault = bind == nil
    let bind = try bind ?? DefaultAddress.forCoordinator()
    let security = try keys.security(of: bind)
    let run = try start(signals)
    let timeline = try timeline.map { try Timeline($0, process: "coordinator") }
    defer { finish(timeline) }
    let coordinator = try run.makeCoordinator(
      binding: boundEndpoint(bind), awaitedWorkers: 0, connections.connections, security: security, timeline: timeline)
    defer { coordinator.waitForWorkers() }
    run.endOnSignal(coordinator)
    say(run.headline)
    let reached = try AdvertisedAddress(of: coordinator.address, as: advertise)
    let options = isFoundByDefault ? "" : " --connect \(reached.address)"
    say(
      "listening on \(coordinator.address)\(reached.remark); start workers with: "
        + "lockstep worker\(options)\(keys.isSecure ? " --key FILE --coordinator-key FILE" : "")")
    try run.run(coordinator, command: "coordinator --bind \(coordinator.address)\(keys.arguments)")
  }
}

let advertiseHelp = ArgumentHelp(
  "The host name or IP by which workers reach this machine, where --bind names none. (default: this machine's on the way out)",
  valueName: "host")

/// An address as ZeroMQ takes it, which spells "any free port" with a star.
func boundEndpoint(_ address: String) -> String {
  address.hasPrefix("tcp://") && address.hasSuffix(":0") ? address.dropLast() + "*" : address
}
