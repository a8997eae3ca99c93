internal import ArgumentParser
internal import Cluster
internal import Protocol
internal import Runs
internal import Schema

/// A command that runs a job.
protocol RunCommand: JobCommand {
  var folder: DeclaredOptions<FolderSection> { get }
  var checkpoints: DeclaredOptions<CheckpointSection> { get }
  var connections: DeclaredOptions<ConnectionSection> { get }
  var watching: DeclaredOptions<WatchSection> { get }
}

enum FolderSection: OptionSection {
  static let output = JobOptions.outputOption
  static let overwrite = OptionDeclaration.toggle(
    "overwrite", "Replace the run that --output holds, its checkpoints included; without this it is left alone.")
  static let options = [output, overwrite]
}

/// How a coordinator connects to workers, and how long it waits for them.
struct Connections {
  var sharesMemory = true
  var acceptsOtherNumerics = false
  /// Whether workers compute that make steps longer.
  var usesAllWorkers = false
  var limits = Limits()
}

/// The options for ``Connections``.
enum ConnectionSection: OptionSection {
  static let transport = OptionDeclaration.choice(
    "transport", default: "auto", ["auto", "zmq"], valueName: "transport", decides: false,
    "Parameters and gradients: auto shares memory with workers on this machine, zmq sends them as to others.")
  static let silenceLimit = OptionDeclaration.silenceLimit(
    "How long a worker may be silent before its micro-batches go to others; at least 1.")
  static let workerTimeout = OptionDeclaration.real(
    "worker-timeout", default: 300, .above0(upTo: 1e9), valueName: "seconds", decides: false,
    "How long a run without a worker, or without progress, waits before it is saved and ends.")
  static let otherNumerics = OptionDeclaration.toggle(
    "accept-other-numerics",
    "Admit workers that compute other bits than the coordinator, and resume runs that were computed with other bits: the result then depends on who computed what."
  )
  static let allWorkers = OptionDeclaration.toggle(
    "use-all-workers",
    "Let all workers compute. Without this, some of them stand by where a slow network makes steps longer with them.")
  static let options = [transport, silenceLimit, workerTimeout, otherNumerics, allWorkers]
}

extension OptionDeclaration {
  /// At least a second, because a busy peer may be silent for that long.
  static func silenceLimit(_ help: String) -> OptionDeclaration {
    .real("silence-limit", default: 5, .within(1...1e9), valueName: "seconds", decides: false, help)
  }

  static func threads(_ help: String) -> OptionDeclaration {
    .whole("threads", default: 1, 1...1024, decides: false, help)
  }

  static func maxRestarts(_ help: String) -> OptionDeclaration {
    .whole("max-restarts", default: 3, 0...1_000_000, decides: false, help)
  }

  /// The way that gradients and parameters take between workers with `--bind`.
  static let topology = OptionDeclaration.text(
    "topology", default: "auto", valueName: "topology", decides: false,
    "Which way gradients and parameters go between workers with --bind: star (all to and from the coordinator), mesh (each "
      + "worker adds a slice of them for all), chain or tree:K (each worker adds those of up to K others), or auto: a star, "
      + "and a mesh as soon as links are found to be slow. Changes no bit.")

  static let relayAdvertise = OptionDeclaration.text(
    "advertise", valueName: "host", defaultText: "the address on the route to other networks", decides: false,
    "What other workers call this machine, if --bind listens on all interfaces.")

  static let timeline = OptionDeclaration.path(
    "timeline", decides: false,
    "Record what each thread does when, for ui.perfetto.dev or chrome://tracing; about a kilobyte a step and process.")
}

extension Topology {
  /// The value of ``OptionDeclaration/topology``; nil for auto.
  ///
  /// - Throws: `ValidationError` if the text is none.
  static func given(_ text: String?) throws -> Topology? {
    guard let text, text != "auto" else { return nil }
    guard let topology = Topology(text) else {
      throw ValidationError("--topology \(text): it must be auto, \(Topology.forms)")
    }
    return topology
  }
}

extension DeclaredOptions<ConnectionSection> {
  var chosen: Connections {
    var connections = Connections(
      sharesMemory: text(Section.transport) == "auto", acceptsOtherNumerics: isOn(Section.otherNumerics),
      usesAllWorkers: isOn(Section.allWorkers))
    connections.limits = Limits(silenceLimit: real(Section.silenceLimit))
    connections.limits.workerTimeout = real(Section.workerTimeout)
    return connections
  }
}

extension RunCommand {
  func start(_ signals: SignalWatch) throws -> TrainingRun {
    let (output, overwrites) = (folder.text(FolderSection.output), folder.isOn(FolderSection.overwrite))
    guard !overwrites || !checkpoints.has(CheckpointSection.resume) || output != nil else {
      throw ValidationError(
        "--overwrite does not go with --resume, which goes on in the run's folder; --output names another")
    }
    // First, because it may be that it cannot listen, and probes wait while data is loaded.
    let dashboard = try watching.dashboard(Self.configuration.commandName ?? "")
    let start = try RunStart(self, output: output, overwrites: overwrites)
    return try TrainingRun(
      start, every: checkpoints.interval, keep: checkpoints.whole(CheckpointSection.keep), signals: signals,
      views: RunViews.Options(
        dashboard: dashboard, writesTensorBoard: watching.isOn(WatchSection.tensorBoard),
        histogramSteps: watching.has(WatchSection.histograms) ? watching.whole(WatchSection.histograms) : nil,
        drawsScreen: watching.isOn(WatchSection.terminal),
        endCommand: watching.text(WatchSection.onEnd).map(EndCommand.init)))
  }
}
