internal import ArgumentParser
internal import Foundation
internal import Monitoring
internal import Reports
internal import Runs
internal import Schema

struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show runs, live or finished, beside each other on a page, or one as lines.",
    discussion: """
      Needs nothing but the runs' folders, and changes nothing in them. A sweep's folder is shown with its trials. Ctrl-C \
      ends it.
      """)

  enum Section: OptionSection {
    static let address = OptionDeclaration.text(
      "dashboard", default: "127.0.0.1:8270", valueName: "host:port", decides: false,
      "Where the page is to be; port 0 takes any free one.")
    static let plain = OptionDeclaration.toggle("plain", "Print one run as lines until it ends, in place of the page.")
    static let options = [address, WatchSection.token, plain]

    static func check(_ given: DeclaredOptions<Self>) throws {
      _ = try WatchSection.address(address, given.text(address), token: given.text(WatchSection.token))
    }
  }

  @Argument(help: ArgumentHelp("Folders of runs or sweeps.", valueName: "run"))
  var folders: [String]

  @OptionGroup
  var own: DeclaredOptions<Section>

  func validate() throws {
    if own.isOn(Section.plain), folders.count > 1 {
      throw ValidationError("--plain follows one run, not \(folders.count)")
    }
    guard folders.count <= 64 else { throw ValidationError("at most 64 runs can be watched, not \(folders.count)") }
  }

  func run() throws {
    if own.isOn(Section.plain) {
      try follow(RunFeed(folders[0]))
      return
    }
    let token = own.text(WatchSection.token)
    for folder in folders where !SweepFeed.isSweep(folder) { _ = try RunFeed(folder) }
    let dashboard = try Dashboard(
      page: WatchSection.address(Section.address, own.text(Section.address), token: token), tokenFile: token,
      command: "watch")
    for folder in folders {
      if SweepFeed.isSweep(folder) { try dashboard.show(sweep: folder) } else { try dashboard.show(run: folder) }
    }
    printLine("watching \(count(folders.count, "folder")); Ctrl-C ends it")
    while true { sleep(3600) }
  }

  /// Prints a run's lines until it ends.
  ///
  /// - Throws: `ExitCode` if it has failed, or its process is gone.
  private func follow(_ feed: RunFeed) throws {
    let lines = RunLines(feed)
    while true {
      for line in lines.next() { printLine(oneLine(line)) }
      switch feed.state {
      case .completed: return printLine("\(feed.path): completed")
      case .failed, .lost:
        printError("error: " + feed.overview[0])
        throw ExitCode(1)
      case .running, .waiting: Thread.sleep(forTimeInterval: 1)
      }
    }
  }
}
