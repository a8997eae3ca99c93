internal import ArgumentParser
internal import Optimizers
internal import Runs
internal import Schema

/// The job's options on the command line. Texts: ``JobOptions`` reads them as it reads job files.
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

/// Any option by its name.
struct OtherOptions: ParsableArguments {
  @Option(
    name: .customLong("option"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Any of these options as NAME=VALUE.", valueName: "name=value"))
  var others: [String] = []

  /// Names and values.
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

/// A command that takes a job's options.
///
/// Its groups of options stand in each such command, not in a group of their own: in debug builds the parser checks each
/// level of groups anew for each level above it.
protocol JobCommand: ParsableCommand {
  var job: DeclaredOptions<JobSection> { get }
  var optimization: DeclaredOptions<OptimizerSection> { get }
  var others: OtherOptions { get }
}

extension JobCommand {
  /// The options given and `output`, which is none of the job, and below them those of the file.
  func jobOptions(output: String?) throws -> JobOptions {
    var options = JobOptions()
    for (name, value) in job.given where name != JobSection.file.name { try options.set(name, to: value) }
    for (name, value) in optimization.given + (try others.given) { try options.set(name, to: value) }
    if let output { try options.set(JobOptions.outputOption.name, to: output) }
    if let file = job.text(JobSection.file) { try options.merge(file: file) }
    return options
  }
}
