internal import ArgumentParser
internal import Foundation
internal import Synchronization

/// The `lockstep` commands, for a program's `main`.
///
/// A program with models of its own gets the same commands, with its models beside the built-in ones:
///
///     LockstepCommands.main(models: [ModelFactory("prototypes") { try Prototypes($0) }])
public enum LockstepCommands {
  /// Parses the command line and runs the command; does not return.
  ///
  /// Exit codes: 0 done, 1 failed, 64 wrong usage, 128 + n ended by signal n. The root cause is the last line on
  /// standard error.
  public static func main(models: [ModelFactory] = []) -> Never {
    signal(SIGPIPE, SIG_IGN)
    Registry.models.withLock { $0 = ModelFactory.builtIn + models }
    var parsed: (any ParsableCommand)?
    do {
      parsed = try RootCommand.parseAsRoot()
    } catch {
      RootCommand.exit(withError: error)
    }
    do {
      try parsed?.run()
      exit(0)
    } catch let error as CleanExit {
      RootCommand.exit(withError: error)
    } catch {
      let code = exitCode(of: error)
      complain("error: \(error)")
      exit(code)
    }
  }

  private static func exitCode(of error: any Error) -> Int32 {
    switch error {
    case is JobError, is OptimizerError, is ModelError: 64
    case let interruption as Interruption: 128 + interruption.signal
    default: 1
    }
  }
}

/// The models that this program knows.
enum Registry {
  static let models = Mutex(ModelFactory.builtIn)

  static var all: [ModelFactory] { models.withLock { $0 } }
}

struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Data-parallel training in which the number of workers never changes a bit of the result.",
    discussion: """
      Try `lockstep train`: it trains a perceptron on embedded handwritten digits with a coordinator and two worker \
      processes, in about a second.
      """,
    subcommands: [TrainCommand.self, CoordinatorCommand.self, WorkerCommand.self, EvaluateCommand.self])
}
