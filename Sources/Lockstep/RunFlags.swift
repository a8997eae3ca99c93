internal import ArgumentParser

/// What every command that runs a job is told: which, where it goes, and how it is kept.
struct RunFlags: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("The run's folder. (default: runs/<time>)", valueName: "folder"))
  var output: String?

  @Flag(help: "Replace the run that --output holds, its checkpoints included; without this it is left alone.")
  var overwrite = false

  @OptionGroup(title: "Checkpoints")
  var checkpoints: CheckpointFlags

  @OptionGroup(title: "Connections")
  var connections: ConnectionFlags

  @OptionGroup(title: "Job options")
  var job: JobFlags

  func validate() throws {
    guard !overwrite || checkpoints.resume == nil || output != nil else {
      throw ValidationError("--overwrite does not go with --resume, which goes on in the run's folder; --output names another")
    }
  }

  /// The run that they describe.
  func start(_ signals: SignalWatch) throws -> TrainingRun {
    try TrainingRun(
      checkpoints.start(job, output: output, overwrites: overwrite), every: checkpoints.checkpointEvery, keep: checkpoints.keep,
      signals: signals)
  }
}
