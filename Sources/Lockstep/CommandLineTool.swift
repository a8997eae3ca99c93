internal import ArgumentParser
internal import Cluster
public import Datasets
internal import Foundation
internal import Kernels
public import Models
public import Optimizers
internal import Runs
internal import Schema
internal import Synchronization

/// The `lockstep` commands, for a program's main file.
///
/// A program can add its own models and update rules to the built-in ones:
///
///     LockstepCommands.main(
///       models: [ModelFactory("classifier", layer: { Classifier(outputs: $0.target.outputs) })], rules: [SignDescent.self])
public enum LockstepCommands {
  /// This library's version.
  public static let version = "0.1.0"

  /// This program's name, for messages.
  static let programName = shellQuoted(URL(fileURLWithPath: CommandLine.arguments[0]).lastPathComponent)

  /// Parses the command line and runs the command. Does not return.
  ///
  /// Exit codes: 0 for success, 1 for failure, 64 for wrong usage, 128 + n for an end by signal n. The last line on
  /// standard error names the root cause.
  public static func main(
    models: [ModelFactory] = [], rules: [any UpdateRule.Type] = [], sources: [any DataSource.Type] = [],
    losses: [any Loss.Type] = []
  ) -> Never {
    openStandardStreams()
    // Ignored, because write() returns these errors.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for loss in losses { Losses.registry.add(loss) }
    for model in models { ModelKinds.registry.add(model) }
    for rule in rules { UpdateRules.registry.add(rule) }
    for source in sources { DataSources.registry.add(source) }
    var variables: [(variable: String, option: String)] = []
    do {
      _ = try VectorWidth.chosen()
      let options = try EnvironmentOptions(
        Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
      variables = options.variables
      var command = try RootCommand.parseAsRoot(options.arguments)
      if !variables.isEmpty {
        printLine(
          "from the environment: " + variables.map { "--\($0.option) (\($0.variable))" }.joined(separator: ", "))
      }
      for doubt in options.doubts { printError("warning: \(doubt)") }
      if !VectorWidth.hasFusedMultiplyAdd, computes(command) {
        printError(
          "warning: this processor has no fused multiply-add instructions: results are the same, but take many times as long"
        )
      }
      try command.run()
      end(0)
    } catch {
      // To the parser help is an error too.
      if RootCommand.exitCode(for: error).isSuccess { RootCommand.exit(withError: error) }
      if let code = error as? ExitCode { end(code.rawValue) }
      printError("error: \(description(of: error, variables))")
      end(exitCode(of: error))
    }
  }

  /// Whether the command trains or evaluates, and is not a worker that another command has started.
  private static func computes(_ command: any ParsableCommand) -> Bool {
    if let worker = command as? WorkerCommand { return !worker.endWithInput }
    return command is any RunCommand || command is EvaluateCommand || command is CompareCommand
      || command is SweepCommand || command is FindRateCommand
  }

  /// Ends the process at once. After exit(), a thread that still loads data would crash, because what libraries hold in
  /// global variables is destroyed under it.
  private static func end(_ code: Int32) -> Never {
    StatusLine.leaveScreen()
    fflush(nil)
    _exit(code)
  }

  private static func description(of error: any Error, _ variables: [(variable: String, option: String)]) -> String {
    let names = variables.map(\.variable).joined(separator: ", ")
    guard isUsage(error) else {
      return "\(error)" + (error is OptionError && !names.isEmpty ? " (the environment gives \(names))" : "")
    }
    let origin = names.isEmpty ? "" : "; the environment gives \(names)"
    return RootCommand.message(for: error) + " (see --help\(origin))"
  }

  private static func isUsage(_ error: any Error) -> Bool {
    RootCommand.exitCode(for: error) == .validationFailure
  }

  private static func exitCode(of error: any Error) -> Int32 {
    switch error {
    case is OptionError, is ModelError, is VectorWidthError: 64
    case _ where isUsage(error): 64
    case let interruption as Interruption: 128 + interruption.signal
    default: 1
    }
  }
}

struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: LockstepCommands.programName,
    abstract: "Data-parallel training in which the number of workers never changes a bit of the result.",
    discussion: """
      Try `lockstep train`: it trains a perceptron on embedded handwritten digits with a coordinator and two worker \
      processes, in about a second.
      """,
    version: LockstepCommands.version,
    subcommands: [
      TrainCommand.self, FindRateCommand.self, CompareCommand.self, SweepCommand.self, LaunchCommand.self,
      CoordinatorCommand.self, WorkerCommand.self, RelayCommand.self, KeygenCommand.self, PlanCommand.self,
      WatchCommand.self, StatusCommand.self, EvaluateCommand.self, PredictCommand.self,
      GenerateCommand.self, DiffCommand.self, CheckCommand.self,
      InspectCommand.self, DataCommand.self, ExportCommand.self, OptimizersCommand.self, TraceCommand.self,
    ])
}
