internal import ArgumentParser
internal import Optimizers
internal import Protocol
internal import Runs
internal import Schema

/// The job's options on the command line. ``JobOptions`` checks their values, as it does for job files.
enum JobSection: OptionSection {
  static let file = OptionDeclaration.path(
    "job", decides: false, "A YAML file of these options; a flag beats the file.")
  static let options = [file] + JobOptions.ofJobs
  static let isChecked = false
}

/// The options of update rules and schedules.
enum OptimizerSection: OptionSection {
  static let options = OptimizerSettings.options
  static let isChecked = false
}

/// Options given by name.
struct OtherOptions: ParsableArguments {
  @Option(
    name: .customLong("option"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Any of these options as NAME=VALUE.", valueName: "name=value"))
  var others: [String] = []

  var given: [(name: String, value: String)] {
    get throws {
      try others.map { other in
        let parts = other.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { throw OptionError("--option \(other): NAME=VALUE is needed") }
        return (parts[0], parts[1])
      }
    }
  }
}

/// Each command declares these groups itself, not in a group of groups: in debug builds the parser checks every level
/// of groups again for each level above it.
protocol JobCommand: ParsableCommand {
  var job: DeclaredOptions<JobSection> { get }
  var optimization: DeclaredOptions<OptimizerSection> { get }
  var others: OtherOptions { get }
}

extension JobCommand {
  /// The given options and `output`, then those of the job file that are not given.
  ///
  /// - Parameter file: in place of `--job`.
  func jobOptions(output: String?, file: String? = nil) throws -> JobOptions {
    var options = JobOptions()
    for (name, value) in job.given where name != JobSection.file.name { try options.set(name, to: value) }
    try options.set(optimization.given)
    for (name, value) in try others.given {
      guard options.given[name] == nil else { throw OptionError("--option \(name)=\(value): \(name) is given twice") }
      try options.set(name, to: value)
    }
    if let output { try options.set(JobOptions.outputOption.name, to: output) }
    if let file = file ?? job.text(JobSection.file) {
      try options.merge(file: file)
      if let version = options.marks.numerics, version != Numerics.version {
        printError(
          "warning: \(file) is of a run with numerics version \(version), and this program has version "
            + "\(Numerics.version): its bits will be others")
      }
    }
    return options
  }
}
