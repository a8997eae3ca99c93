internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Runs
internal import ZeroMQ

struct LaunchCommand: RunCommand {
  static let configuration = CommandConfiguration(
    commandName: "launch",
    abstract: "Train with a coordinator here and workers on other machines, started over ssh.",
    discussion: """
      `ssh HOST` must get in without a question, and find this program at the same path (--remote-program for another) \
      and the data, too. Keys are made for the run and handed over ssh; they are on no disk. All workers end when this \
      command does.
      """)

  private static let usualSSH = "ssh -T -o BatchMode=yes -o ConnectTimeout=10"
  private static let usualBind = "tcp://0.0.0.0:0"

  @Option(
    help: ArgumentHelp(
      "A worker on each, of so many compute threads (1 unless said): HOST[:THREADS],… A host is what ssh knows, or localhost for this machine without ssh.",
      valueName: "hosts"))
  var hosts: String

  @Option(help: ArgumentHelp("The command that reaches a host, without the host.", valueName: "command"))
  var ssh = LaunchCommand.usualSSH

  @Option(help: ArgumentHelp("This program's path on the hosts. (default: its path here)", valueName: "path"))
  var remoteProgram: String?

  @Option(
    help: ArgumentHelp("Where to listen: tcp://HOST:PORT (port 0 takes any free one).", valueName: "address"))
  var bind = LaunchCommand.usualBind

  @Option(help: advertiseHelp)
  var advertise: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How often a worker that is killed, or whose ssh is cut off, is started again.", valueName: "count"))
  var maxRestarts = 3

  @OptionGroup
  var folder: FolderFlags

  @OptionGroup(title: "Checkpoints")
  var checkpoints: CheckpointFlags

  @OptionGroup(title: "Connections")
  var connections: ConnectionFlags

  @OptionGroup(title: "Job options")
  var job: JobFlags

  func validate() throws {
    try checkRestarts(maxRestarts)
    _ = try parsedHosts
    guard bind.hasPrefix("tcp://") else { throw ValidationError("--bind \(bind): an address is tcp://HOST:PORT") }
    guard !ssh.split(separator: " ").isEmpty else { throw ValidationError("--ssh: a command is needed") }
  }

  private var parsedHosts: [RemoteHost] {
    get throws {
      do {
        return try hosts.split(separator: ",", omittingEmptySubsequences: false).map { try RemoteHost($0) }
      } catch {
        throw ValidationError("--hosts \(hosts): \(error)")
      }
    }
  }

  func run() throws {
    let signals = SignalWatch()
    let hosts = try parsedHosts
    try ensureDescriptors(1024 + 16 * hosts.count)
    let run = try start(signals)
    let (own, workers) = (try CurveKeyPair.random(), try CurveKeyPair.random())
    let coordinator = try run.makeCoordinator(
      binding: boundEndpoint(bind), awaitedWorkers: hosts.count, connections.connections,
      security: CoordinatorSecurity(own, admitting: AuthorizedKeys([workers.publicKey])), timeline: nil)
    run.endOnSignal(coordinator)
    let reached = try AdvertisedAddress(of: coordinator.address, as: advertise)
    say(run.headline)
    say("listening on \(coordinator.address)\(reached.remark)")
    let threads = hosts.map(\.threads).reduce(0, +)
    if threads > run.prepared.job.microBatches {
      complain(
        "warning: \(threads) threads share \(run.prepared.job.microBatches) micro-batches a step, so not all have work; "
          + "a job with --micro-batches \(threads) has some for each")
    }
    let places = try WorkerPlace.on(
      hosts, by: ssh.split(separator: " ").map(String.init), program: remoteProgram, connectingTo: reached.address,
      pair: workers, coordinator: own.publicKey, show: complain)
    let processes = try WorkerProcesses(places, mailbox: coordinator.mailbox, mostRestarts: maxRestarts)
    defer { processes.stop() }
    defer { coordinator.waitForWorkers() }
    try run.run(coordinator, command: "launch --hosts \(shellQuoted(self.hosts))\(arguments)")
  }

  /// The options by which hosts are reached, to be given again.
  private var arguments: String {
    var text = ""
    if ssh != LaunchCommand.usualSSH { text += " --ssh \(shellQuoted(ssh))" }
    if let remoteProgram { text += " --remote-program \(shellQuoted(remoteProgram))" }
    if bind != LaunchCommand.usualBind { text += " --bind \(shellQuoted(bind))" }
    if let advertise { text += " --advertise \(shellQuoted(advertise))" }
    return text
  }
}
