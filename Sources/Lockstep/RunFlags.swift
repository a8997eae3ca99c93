internal import ArgumentParser

/// What every command that runs a job is told: which, where it goes, and how it is kept.
struct RunFlags: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("The run's folder. (default: runs/<time>)", valueName: "folder"))
  var output: String?

  @OptionGroup(title: "Checkpoints")
  var checkpoints: CheckpointFlags

  @OptionGroup(title: "Connections")
  var connections: ConnectionFlags

  @OptionGroup(title: "Job options")
  var job: JobFlags

  /// The run that they describe.
  func start(_ signals: SignalWatch) throws -> TrainingRun {
    try TrainingRun(
      checkpoints.start(job, output: output), every: checkpoints.checkpointEvery, keep: checkpoints.keep,
      signals: signals)
  }
}
