internal import ArgumentParser
internal import Foundation
internal import Monitoring
internal import Reports
internal import Runs

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "How a run is, or how it has ended.",
    discussion: """
      Ends with 0 while the run goes on and where it is completed, and with 1 where it has failed or its process is gone.
      """)

  @Argument(help: ArgumentHelp("A run's folder.", valueName: "run"))
  var folder: String

  @Flag(help: "Print what status.json has, with the state that the run is in now.")
  var json = false

  func run() throws {
    let feed = try RunFeed(folder)
    feed.poll()
    if let problem = feed.problem { printError("warning: \(problem)") }
    if json {
      printLine(try feed.statusJSON())
    } else {
      for line in feed.overview { printLine(oneLine(line)) }
    }
    if feed.state == .failed || feed.state == .lost { throw ExitCode(1) }
  }
}
