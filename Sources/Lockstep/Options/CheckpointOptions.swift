internal import ArgumentParser
internal import Foundation
internal import Models
internal import Runs
internal import Schema

/// When a run is saved, and from where it resumes.
enum CheckpointSection: OptionSection {
  static let every = OptionDeclaration.text(
    "checkpoint-every", default: "10m", valueName: "interval", decides: false,
    "Save the run after so many steps (500) or so much time (10m, 30s, 2h); it is also saved in the end and when it is interrupted."
  )
  static let keep = OptionDeclaration.whole(
    "keep", default: 3, 1...1_000_000, decides: false,
    "How many of the newest checkpoints are kept, besides the best by validation loss, or by test loss without a validation part."
  )
  static let resume = OptionDeclaration.path(
    "resume", valueName: "folder", decides: false,
    "Go on with the run in this folder from its newest good checkpoint, to the same bits.")
  static let options = [every, keep, resume]

  static func check(_ given: DeclaredOptions<Self>) throws {
    let text = given.text(every) ?? ""
    guard CheckpointInterval(text) != nil else {
      throw ValidationError(
        "--checkpoint-every \(text): a number of steps, or a time such as 30s, 10m or 2h, is needed")
    }
  }
}

extension DeclaredOptions<CheckpointSection> {
  var interval: CheckpointInterval { text(Section.every).flatMap(CheckpointInterval.init) ?? .seconds(600) }
}

/// What a run starts from.
struct RunStart {
  let prepared: PreparedJob
  let output: String?
  /// The checkpoint from which it resumes, and the folder of that run.
  let resumed: (checkpoint: Checkpoint, folder: String)?

  /// Whether to replace another run in the folder.
  let overwrites: Bool
  /// How the resumed run goes on with other bits; nil if it goes on with the same.
  let otherNumerics: String?

  init(
    prepared: PreparedJob, output: String?, resumed: (checkpoint: Checkpoint, folder: String)?, overwrites: Bool,
    otherNumerics: String? = nil
  ) {
    (self.prepared, self.output, self.resumed, self.overwrites) = (prepared, output, resumed, overwrites)
    self.otherNumerics = otherNumerics
  }

  /// The start of `command`'s run: a new job, or a checkpoint.
  init(_ command: some RunCommand, output: String?, overwrites: Bool) throws {
    guard let resume = command.checkpoints.text(CheckpointSection.resume) else {
      let options = try command.jobOptions(output: output)
      self.init(
        prepared: try PreparedJob(options, models: ModelKinds.registry.all), output: options.output, resumed: nil,
        overwrites: overwrites)
      return
    }
    let checkpoint = try CheckpointStore(run: resume).newest(models: ModelKinds.registry.all) {
      printError("warning: \($0)")
    }
    var options = try JobOptions(checkpoint.state.job, resuming: resume)
    try options.change(by: command.jobOptions(output: nil), of: resume)
    let prepared = try PreparedJob(options, models: ModelKinds.registry.all)
    let otherNumerics = try checkpoint.check(
      prepared, resume, acceptsOtherNumerics: command.connections.isOn(ConnectionSection.otherNumerics))
    self.init(
      prepared: prepared, output: output ?? resume, resumed: (checkpoint, resume), overwrites: overwrites,
      otherNumerics: otherNumerics)
  }

  /// Whether it resumes a run in that run's folder.
  var staysInFolder: Bool {
    guard let resumed, let output else { return false }
    return isSamePath(output, resumed.folder)
  }
}

enum CheckpointInterval {
  case steps(Int)
  case seconds(Double)

  init?(_ text: String) {
    if let steps = Int(text) {
      guard steps > 0 else { return nil }
      self = .steps(steps)
      return
    }
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
    guard let unit = text.last.flatMap({ units[$0] }), let value = Double(text.dropLast()), value > 0,
      value <= 1e6
    else { return nil }
    self = .seconds(value * unit)
  }
}
