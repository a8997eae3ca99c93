internal import ArgumentParser
internal import Foundation
internal import Runs

/// When a run is saved, and where it goes on.
struct CheckpointFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Save the run after so many steps (500) or so much time (10m, 30s, 2h); it is also saved in the end and when it is interrupted.",
      valueName: "interval"))
  var checkpointEvery = CheckpointInterval.seconds(600)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many of the newest checkpoints are kept, besides the best by test loss.", valueName: "count"))
  var keep = 3

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Go on with the run in this folder from its newest good checkpoint, to the same bits.", valueName: "folder"))
  var resume: String?

  func validate() throws {
    guard (1...1_000_000).contains(keep) else {
      throw ValidationError("--keep \(keep): a number from 1 to 1000000 is needed")
    }
  }

  /// Where a run begins: anew by `job`, or where an earlier one was saved.
  func start(_ job: JobFlags, output: String?, overwrites: Bool) throws -> RunStart {
    guard let resume else {
      let options = try job.options(output: output)
      return RunStart(
        prepared: try PreparedJob(options, models: Registry.all), output: options.output, resumed: nil,
        overwrites: overwrites)
    }
    let checkpoint = try CheckpointStore(run: resume).newest(models: Registry.all) { complain("warning: \($0)") }
    var options = try JobOptions(checkpoint.state.job)
    let changes = try job.options(output: nil)
    try options.change(by: changes, of: resume)
    let prepared = try PreparedJob(options, models: Registry.all)
    try checkpoint.check(prepared, resume)
    return RunStart(prepared: prepared, output: output ?? resume, resumed: (checkpoint, resume), overwrites: overwrites)
  }
}

/// What a run begins with.
struct RunStart {
  let prepared: PreparedJob
  let output: String?
  /// Where it goes on, and the folder of the run that does.
  let resumed: (checkpoint: Checkpoint, folder: String)?

  /// Whether another run in the folder is replaced.
  var overwrites = false

  /// Whether it goes on in the folder that it was in.
  var staysInFolder: Bool {
    guard let resumed, let output else { return false }
    return isSameFolder(output, resumed.folder)
  }
}

/// How often a run is saved.
enum CheckpointInterval: ExpressibleByArgument, CustomStringConvertible {
  case steps(Int)
  case seconds(Double)

  init?(argument: String) {
    if let steps = Int(argument) {
      guard steps > 0 else { return nil }
      self = .steps(steps)
      return
    }
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
    guard let unit = argument.last.flatMap({ units[$0] }), let value = Double(argument.dropLast()), value > 0,
      value <= 1e6
    else { return nil }
    self = .seconds(value * unit)
  }

  var description: String {
    switch self {
    case .steps(let steps): "\(steps)"
    case .seconds(let seconds): seconds >= 60 ? "\(Int(seconds / 60))m" : "\(Int(seconds))s"
    }
  }
}
