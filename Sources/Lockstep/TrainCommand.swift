internal import ArgumentParser
internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports

struct TrainCommand: RunCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train with a coordinator and worker processes on this machine.",
    discussion: """
      The parameters at the end depend on the job options alone: another --workers or --threads gives the same bits, \
      as parameters_sha256 shows.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Worker processes.", valueName: "count"))
  var workers = 2

  @Option(parsing: .unconditional, help: ArgumentHelp("Compute threads a worker.", valueName: "count"))
  var threads = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How often a worker process that is killed is started again.", valueName: "count"))
  var maxRestarts = 3

  @Option(help: timelineHelp)
  var timeline: String?

  @OptionGroup
  var folder: FolderFlags

  @OptionGroup(title: "Checkpoints")
  var checkpoints: CheckpointFlags

  @OptionGroup(title: "Connections")
  var connections: ConnectionFlags

  @OptionGroup(title: "Job options")
  var job: JobFlags

  func validate() throws {
    guard (1...1024).contains(workers) else {
      throw ValidationError("--workers \(workers): a number from 1 to 1024 is needed")
    }
    try checkThreads(threads)
    try checkRestarts(maxRestarts)
  }

  func run() throws {
    let signals = SignalWatch()
    try ensureDescriptors(64 + 16 * workers)
    let run = try start(signals)
    say(run.headline + ", \(count(workers, "worker")) of \(count(threads, "thread"))")
    try run.runLocally(
      workers: workers, threads: threads, mostRestarts: maxRestarts, connections.connections,
      timeline: timeline)
  }
}

extension TrainingRun {
  /// Runs to the end with a coordinator in this process and worker processes beside it.
  func runLocally(
    workers: Int, threads: Int, mostRestarts: Int, _ connections: Connections = Connections(),
    timeline path: String? = nil
  ) throws {
    let timeline = try path.map { try Timeline($0, process: "coordinator") }
    // After the workers' ends.
    defer { finish(timeline) }
    let address = try LocalAddress()
    defer { address.remove() }
    let coordinator = try makeCoordinator(
      binding: address.endpoint, awaitedWorkers: workers, connections, timeline: timeline)
    endOnSignal(coordinator)
    let places = try WorkerPlace.here(
      workers, threads: threads, connectingTo: coordinator.address, timeline: path)
    let processes = try WorkerProcesses(places, mailbox: coordinator.mailbox, mostRestarts: mostRestarts)
    defer { processes.stop() }
    defer { coordinator.waitForWorkers() }
    try run(coordinator, command: "train")
  }
}

let timelineHelp = ArgumentHelp(
  "Record what each thread does when, for ui.perfetto.dev or chrome://tracing; about a kilobyte a step and process.",
  valueName: "file")

/// Ends a timeline; one that cannot be written is no reason to fail the run.
func finish(_ timeline: Timeline?) {
  do {
    try timeline?.finish()
  } catch {
    complain("warning: the timeline is not whole: \(error)")
  }
}

/// Refuses thread counts that make no sense.
func checkThreads(_ threads: Int) throws {
  guard (1...1024).contains(threads) else {
    throw ValidationError("--threads \(threads): a number from 1 to 1024 is needed")
  }
}

/// Refuses numbers of restarts that make no sense.
func checkRestarts(_ count: Int) throws {
  guard (0...1_000_000).contains(count) else {
    throw ValidationError("--max-restarts \(count): a number from 0 on is needed")
  }
}

/// An `ipc://` address in a folder that only this user can enter.
struct LocalAddress {
  private let folder: String

  init() throws {
    // Socket paths are limited to about 100 bytes, and a user's temporary folder may be deep.
    let base = NSTemporaryDirectory()
    let template = (base.utf8.count < 60 ? base : "/tmp/") + "/lockstep-XXXXXX"
    var bytes = Array(template.replacingOccurrences(of: "//", with: "/").utf8CString)
    guard mkdtemp(&bytes) != nil else {
      throw TrainingError(
        "no folder for the workers' socket can be made in \(base): \(String(cString: strerror(errno)))")
    }
    folder = bytes.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  var endpoint: String { "ipc://\(folder)/socket" }

  /// Removes the folder; a leftover in the temporary folder is no reason to fail a run.
  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
