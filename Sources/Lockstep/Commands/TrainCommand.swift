internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports
internal import Schema

struct TrainCommand: RunCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train with a coordinator and worker processes on this machine.",
    discussion: """
      The parameters at the end depend on the job options alone: another --workers or --threads gives the same bits, \
      as parameters_sha256 shows.
      """)

  enum Section: OptionSection {
    static let workers = OptionDeclaration.whole("workers", default: 2, 1...1024, decides: false, "Worker processes.")
    static let threads = OptionDeclaration.threads("Compute threads a worker.")
    static let maxRestarts = OptionDeclaration.maxRestarts(
      "How often a worker process that is killed is started again.")
    static let options = [workers, threads, maxRestarts, .timeline]
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

  func run() throws {
    let signals = SignalWatch()
    let (workers, threads) = (own.whole(Section.workers), own.whole(Section.threads))
    try ensureDescriptors(64 + 16 * workers)
    let run = try start(signals)
    defer { run.finishViews() }
    try run.introduce(", \(count(workers, "worker")) of \(count(threads, "thread"))")
    try run.runLocally(
      workers: workers, threads: threads, maxRestarts: own.whole(Section.maxRestarts), connections.chosen,
      timeline: own.text(.timeline))
  }
}

extension TrainingRun {
  /// Trains with a coordinator in this process and worker processes on this machine.
  func runLocally(
    workers: Int, threads: Int, maxRestarts: Int, _ connections: Connections = Connections(),
    timeline path: String? = nil
  ) throws {
    let timeline = try path.map { try Timeline($0, process: "coordinator") }
    // Deferred first, so that it runs after the workers have ended.
    defer { finish(timeline) }
    try withLocalWorkers(workers, threads: threads, maxRestarts: maxRestarts, timeline: path) { endpoint in
      let coordinator = try makeCoordinator(
        binding: endpoint, awaitedWorkers: workers, connections, timeline: timeline)
      endOnSignal(coordinator)
      return coordinator
    } _: { coordinator in
      try run(coordinator, command: "train")
    }
  }
}

/// Ends a timeline. An error does not make the run fail.
func finish(_ timeline: Timeline?) {
  do {
    try timeline?.finish()
  } catch {
    printError("warning: the timeline is not whole: \(error)")
  }
}
