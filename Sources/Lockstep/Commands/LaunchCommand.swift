internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Protocol
internal import Runs
internal import Schema
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

  enum Section: OptionSection {
    static let hosts = OptionDeclaration.text(
      "hosts", valueName: "hosts", decides: false,
      "A worker on each, of so many compute threads (1 unless said): HOST[:THREADS],… A host is what ssh knows, or localhost for this machine without ssh."
    )
    static let ssh = OptionDeclaration.text(
      "ssh", default: "ssh -T -o BatchMode=yes -o ConnectTimeout=10", valueName: "command", decides: false,
      "The command that reaches a host, without the host.")
    static let remoteProgram = OptionDeclaration.text(
      "remote-program", valueName: "path", defaultText: "its path here", decides: false,
      "This program's path on the hosts.")
    static let bind = OptionDeclaration.text(
      "bind", default: "tcp://0.0.0.0:0", valueName: "address", decides: false,
      "Where to listen: tcp://HOST:PORT (port 0 takes any free one).")
    static let maxRestarts = OptionDeclaration.maxRestarts(
      "How often a worker that is killed, or whose ssh is cut off, is started again.")
    static let options = [hosts, ssh, remoteProgram, bind, .advertise, .topology, maxRestarts]

    static func check(_ given: DeclaredOptions<Self>) throws { _ = try Topology.given(given.text(.topology)) }

    /// The words of the command.
    static func words(ofSSH text: String?) throws -> [String] {
      let words = (text ?? "").split(separator: " ").map(String.init)
      guard !words.isEmpty else { throw ValidationError("--ssh: a command is needed") }
      return words
    }

    static func check(bind: String) throws {
      guard bind.hasPrefix("tcp://") else { throw ValidationError("--bind \(bind): an address is tcp://HOST:PORT") }
      try checkEndpoint(bind, of: "bind")
    }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

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

  private var bind: String { own.text(Section.bind) ?? "" }

  func validate() throws {
    _ = try parsedHosts
    try Section.check(bind: bind)
    _ = try Section.words(ofSSH: own.text(Section.ssh))
  }

  private var parsedHosts: [RemoteHost] {
    get throws {
      guard let hosts = own.text(Section.hosts) else {
        throw ValidationError("--hosts is missing: HOST[:THREADS],… says where the workers are to be")
      }
      return try RemoteHost.list(hosts)
    }
  }

  func run() throws {
    let signals = SignalWatch()
    let hosts = try parsedHosts
    try ensureDescriptors(1024 + 16 * hosts.count)
    let run = try start(signals)
    defer { run.finishViews() }
    let topology = try Topology.given(own.text(.topology))
    let (coordinatorKey, workers) = (try CurveKeyPair.random(), try CurveKeyPair.random())
    let coordinator = try run.makeCoordinator(
      binding: boundEndpoint(bind), awaitedWorkers: hosts.count, connections.chosen, topology: topology,
      security: CoordinatorSecurity(coordinatorKey, admitting: AuthorizedKeys([workers.publicKey])), timeline: nil)
    run.endOnSignal(coordinator)
    let reached = try AdvertisedAddress(of: coordinator.address, as: own.text(.advertise))
    try run.introduce()
    if hosts.contains(where: { !$0.isHere }) { try run.explainWaitingChunks() }
    printLine("listening on \(coordinator.address)\(reached.remark)")
    let threads = hosts.map(\.threads).reduce(0, +)
    let local = run.prepared.plan.local
    let leaves = local?.replicas ?? run.prepared.job.microBatches
    if threads > leaves {
      let (shared, option) = local == nil ? ("micro-batches a step", "micro-batches") : ("replicas", "replicas")
      printError(
        "warning: \(threads) threads share \(leaves) \(shared), so not all have work; "
          + "a job with --\(option) \(threads) has some for each")
    }
    let launches = try WorkerLaunch.remote(
      on: hosts, by: Section.words(ofSSH: own.text(Section.ssh)), program: own.text(Section.remoteProgram),
      connectingTo: reached.address,
      pair: workers, coordinator: coordinatorKey.publicKey, relaying: topology != .star,
      show: printError)
    try withWorkers(launches, of: coordinator, maxRestarts: own.whole(Section.maxRestarts)) {
      try run.run(coordinator, command: "launch\(arguments)")
    }
  }

  /// The options for the hosts, for the command that resumes the run.
  private var arguments: String {
    own.given.filter { $0.name != Section.maxRestarts.name }.map { " --\($0.name) \(shellQuoted($0.value))" }.joined()
  }
}

extension RemoteHost {
  /// The hosts of `--hosts`.
  ///
  /// - Throws: `ValidationError` for a text of another form.
  static func list(_ text: String) throws -> [RemoteHost] {
    do {
      return try text.split(separator: ",", omittingEmptySubsequences: false).map { try RemoteHost($0) }
    } catch {
      throw ValidationError("--hosts \(text): \(error)")
    }
  }
}
