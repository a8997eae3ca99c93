internal import ArgumentParser

/// A command that runs a job: which one, where it goes, and how it is kept.
///
/// Its groups of options stand in each such command, not in a group of their own: in debug builds the parser checks each
/// level of groups anew for each level above it.
protocol RunCommand: ParsableCommand {
  var folder: FolderFlags { get }
  var checkpoints: CheckpointFlags { get }
  var connections: ConnectionFlags { get }
  var job: JobFlags { get }
}

/// Where a run goes.
struct FolderFlags: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("The run's folder. (default: runs/<time>)", valueName: "folder"))
  var output: String?

  @Flag(help: "Replace the run that --output holds, its checkpoints included; without this it is left alone.")
  var overwrite = false
}

extension RunCommand {
  /// The run that the options describe.
  func start(_ signals: SignalWatch) throws -> TrainingRun {
    guard !folder.overwrite || checkpoints.resume == nil || folder.output != nil else {
      throw ValidationError(
        "--overwrite does not go with --resume, which goes on in the run's folder; --output names another")
    }
    let start = try checkpoints.start(job, output: folder.output, overwrites: folder.overwrite)
    return try TrainingRun(start, every: checkpoints.checkpointEvery, keep: checkpoints.keep, signals: signals)
  }
}
