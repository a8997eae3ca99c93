internal import ArgumentParser
internal import Cluster
internal import Datasets
internal import Files
internal import Foundation
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct SweepCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Compare update rules fairly: each with the learning rate that suits it, over several seeds.",
    discussion: """
      Each rule is tried with seven learning rates, two a decade, around its own or --learning-rate. While the best of some \
      rule is the largest or the smallest, rates are added, for all rules as many. Then the best of each rule runs with \
      every seed; the seeds give all rules the same initial parameters, order of examples and dropout.

      Trials are judged by the loss of a validation part at their end, each after its full schedule (of the training with \
      --validation-fraction 0, and of a function without data); the test part is \
      reported for the best alone. They run side by side, one for each core, or on --hosts. Their results go to the output folder, where \
      the same command goes on after an interruption; no trial that has ended runs again.
      """)

  enum Section: OptionSection {
    static let optimizers = OptionDeclaration.text(
      "optimizers", default: "all", valueName: "list", decides: false, "Update rules, such as adam,rmsprop, or all.")
    static let seeds = OptionDeclaration.text(
      "seeds", default: "5", valueName: "list", decides: false,
      "How many seeds the best of each rule runs with, from --seed on; or the seeds, such as 1,2,3. The first is that of the search."
    )
    static let target = OptionDeclaration.real(
      "target", .above0(upTo: 1e30), valueName: "loss",
      defaultText: "the median of the best Adam's losses at the end, or of the first rule's", decides: false,
      "The validation loss, or the training loss where it decides, to which steps and seconds are counted.")
    static let output = OptionDeclaration.path(
      "output", valueName: "folder", defaultText: "runs/sweep-<time>", decides: false,
      "The sweep's folder; the same command goes on in it.")
    static let overwrite = OptionDeclaration.toggle("overwrite", "Replace the sweep that --output holds.")
    static let jobs = OptionDeclaration.text(
      "jobs", valueName: "files", defaultText: "the one that the job options describe", decides: false,
      "Job files, separated by commas: each is swept, and a performance profile compares the rules over all of them.")
    static let halving = OptionDeclaration.toggle(
      "halving",
      "Successive halving: search with a quarter of the steps, then with half of them for the better half of each rule, then with all for the better half of those."
    )
    static let hosts = OptionDeclaration.text(
      "hosts", valueName: "hosts", defaultText: "this machine", decides: false,
      "Where trials run, as `launch` starts workers there: HOST[:TRIALS],… with so many at a time on each (1 unless said)."
    )
    private static let launch = LaunchCommand.Section.self
    static let options = [
      optimizers, jobs, seeds, halving, target, output, overwrite, hosts, launch.ssh, launch.remoteProgram, launch.bind,
      .advertise, WatchSection.dashboard, WatchSection.token,
    ]

    static func check(_ given: DeclaredOptions<Self>) throws {
      let token = given.text(WatchSection.token)
      _ = try WatchSection.address(WatchSection.dashboard, given.text(WatchSection.dashboard), token: token)
    }
  }

  /// Options that may be given several times.
  struct Search: ParsableArguments {
    @Option(
      name: .customLong("grid"), parsing: .unconditionalSingleValue,
      help: ArgumentHelp("Values to try of another option, all with all; may be repeated.", valueName: "name=value,…"))
    var grids: [String] = []

    @Option(
      name: .customLong("sample"), parsing: .upToNextOption,
      help: ArgumentHelp(
        "In place of grids: so many quasi-random points in ranges, each NAME=LOW..HIGH or NAME=LOW..HIGH:log.",
        valueName: "count range"))
    var sample: [String] = []

    var chosen: SweepSpace.Search {
      get throws {
        let grids = try grids.map { try SweepSpace.Grid($0) }
        if let twice = grids.indices.first(where: { index in
          grids[..<index].contains { $0.option == grids[index].option }
        }) {
          throw OptionError("--grid \(grids[twice].option): it is given twice")
        }
        guard let count = sample.first else { return .grids(grids) }
        guard grids.isEmpty else { throw OptionError("--grid and --sample exclude each other") }
        guard let points = Int(count), (1...10_000).contains(points) else {
          throw OptionError("--sample \(count): the number of points is needed first, from 1 to 10,000")
        }
        let ranges = try sample.dropFirst().map { try SweepSpace.Range($0, of: JobOptions.declarations) }
        if let twice = ranges.indices.first(where: { index in
          ranges[..<index].contains { $0.option == ranges[index].option }
        }) {
          throw OptionError("--sample \(ranges[twice].option): it is given twice")
        }
        guard ranges.count < SweepSpace.primes.count else {
          throw OptionError("--sample: at most \(SweepSpace.primes.count - 1) ranges can be sampled")
        }
        return .samples(points, ranges)
      }
    }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup
  var search: Search

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  func validate() throws {
    do {
      _ = try search.chosen
    } catch let error as OptionError {
      throw ValidationError(error.description)
    }
    if let optimizer = job.given.first(where: { $0.name == OptimizerSettings.selector.name })?.value {
      throw ValidationError("--optimizer \(optimizer): a sweep takes --optimizers, a list")
    }
  }

  func run() throws {
    let signals = SignalWatch()
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let hosts = try trialHosts()
    try ensureDescriptors(64 + 64 * (hosts?.hosts.map(\.threads).reduce(0, +) ?? cores))
    let runner = TrialRunner(cores: cores, hosts: hosts)
    signals.onSignal { runner.stop("interrupted by \($0.name)") }
    let token = own.text(WatchSection.token)
    let dashboard = try Dashboard(
      page: WatchSection.address(WatchSection.dashboard, own.text(WatchSection.dashboard), token: token),
      tokenFile: token, command: "sweep")
    defer { dashboard.finish() }
    let (output, overwrites) = (own.text(Section.output), own.isOn(Section.overwrite))
    guard let files = try jobFiles() else {
      let sweep = try PreparedSweep(self, job: nil)
      let folder = try SweepFolder(output, sweep.description, overwrites: overwrites)
      let report = try run(sweep, folder, runner, signals, dashboard)
      if let failure = report.failure { throw TrainingError(failure) }
      return
    }
    // What is wrong with any of them is an error before the first one runs.
    let sweeps = try files.map { try ($0.name, PreparedSweep(self, job: $0.path)) }
    let folder = try OutputFolder(output, prefix: "sweep-")
    try folder.refuseOthers(than: SweepProfile.file)
    let file = "\(folder.path)/\(SweepProfile.file)"
    if !overwrites, let earlier = SweepProfile.jobs(of: file), earlier != sweeps.map(\.0) {
      throw OptionError(
        "--output \(folder.path): there is a sweep of the jobs \(earlier.joined(separator: ", ")); choose another folder, or "
          + "replace it by --overwrite")
    }
    // Says what the folder is for from the beginning.
    try AtomicFile.write(SweepProfile([], .ofThisCommand).json(jobs: sweeps.map(\.0)), to: file)
    var failures: [String] = []
    var jobs: [SweepProfile.Job] = []
    for (number, (name, sweep)) in sweeps.enumerated() {
      printLine("\(number > 0 ? "\n" : "")[\(number + 1)/\(sweeps.count)] \(name)")
      let own = try SweepFolder("\(folder.path)/\(name)", sweep.description, overwrites: overwrites)
      let report = try run(sweep, own, runner, signals, dashboard)
      if let failure = report.failure { failures.append("\(name): \(failure)") }
      jobs.append(SweepProfile.Job(name, headline: sweep.headline, sweep.result(own.results)))
    }
    let profile = SweepProfile(jobs, .ofThisCommand)
    try AtomicFile.write(profile.json(jobs: sweeps.map(\.0)), to: file)
    try AtomicFile.write(profile.html, to: "\(folder.path)/report.html")
    for line in profile.lines { printLine(line) }
    printLine("report: \(folder.path)/report.html")
    if !failures.isEmpty { throw TrainingError(failures.joined(separator: "; ")) }
  }

  /// Runs what is left of a sweep, and writes and prints its report.
  private func run(
    _ sweep: PreparedSweep, _ folder: SweepFolder, _ runner: TrialRunner, _ signals: SignalWatch,
    _ dashboard: Dashboard
  ) throws -> SweepReport {
    let status = SweepProgress(folder.path, headline: sweep.headline)
    try dashboard.show(sweep: folder.path)
    do {
      let report = try run(sweep, folder, runner, signals, status)
      status.end(report.failure)
      return report
    } catch {
      status.end("\(error)")
      throw error
    }
  }

  private func run(
    _ sweep: PreparedSweep, _ folder: SweepFolder, _ runner: TrialRunner, _ signals: SignalWatch,
    _ status: SweepProgress
  ) throws -> SweepReport {
    var (rules, next) = sweep.plan.progress(folder.losses)
    printLine(sweep.headline)
    if !folder.results.isEmpty { printLine("going on after \(count(folder.results.count, "trial"))") }
    while !next.isEmpty, signals.received == nil {
      printLine(sweep.announcement(of: next, after: rules))
      let display = TrialDisplay(of: next.count)
      status.plan(next.count)
      try runner.run(try sweep.prepare(next), status.begin) { result in
        try folder.add(result)
        status.finish(result.trial)
        display.show(result)
      }
      (rules, next) = sweep.plan.progress(folder.losses)
    }
    StatusLine.clear()
    let report = sweep.report(folder.results)
    try folder.write(report)
    for line in report.lines { printLine(line) }
    printLine("report: \(folder.path)/report.html")
    if let signal = signals.received { throw Interruption(signal: signal.number, name: signal.name) }
    return report
  }

  /// Nil for this machine.
  private func trialHosts() throws -> TrialHosts? {
    typealias Launch = LaunchCommand.Section
    guard let text = own.text(Section.hosts) else {
      let others = [Launch.ssh, Launch.remoteProgram, Launch.bind, .advertise]
      guard let option = others.first(where: own.has) else { return nil }
      throw ValidationError("--\(option.name) needs --hosts, where the trials are to run")
    }
    let bind = own.text(Launch.bind) ?? ""
    try Launch.check(bind: bind)
    guard bind.hasSuffix(":0") else {
      throw ValidationError("--bind \(bind): port 0 is needed, as each trial listens at a port of its own")
    }
    let ssh = try Launch.words(ofSSH: own.text(Launch.ssh))
    return try TrialHosts(
      RemoteHost.list(text), ssh: ssh, remoteProgram: own.text(Launch.remoteProgram), bind: bind,
      advertised: own.text(.advertise))
  }

  /// The files of `--jobs`, each with the name of its folder; nil without.
  private func jobFiles() throws -> [(name: String, path: String)]? {
    guard let text = own.text(Section.jobs) else { return nil }
    if let file = job.text(JobSection.file) {
      throw ValidationError("--job \(file) and --jobs \(text) exclude each other")
    }
    let files = text.split(separator: ",", omittingEmptySubsequences: false).map { path in
      (name: URL(fileURLWithPath: String(path)).deletingPathExtension().lastPathComponent, path: String(path))
    }
    guard files.allSatisfy({ !$0.path.isEmpty }) else {
      throw ValidationError("--jobs '\(text)': a file is missing between or beside commas")
    }
    if let twice = files.indices.first(where: { index in files[..<index].contains { $0.name == files[index].name } }) {
      throw ValidationError(
        "--jobs '\(text)': two files are called \(files[twice].name), as the folders of their sweeps would be; rename one"
      )
    }
    return files
  }
}
