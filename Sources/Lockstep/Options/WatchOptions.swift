internal import ArgumentParser
internal import Foundation
internal import Monitoring
internal import Runs
internal import Schema

/// How a run can be seen while it goes on.
enum WatchSection: OptionSection {
  static let dashboard = OptionDeclaration.text(
    "dashboard", valueName: "host:port", defaultText: "none", decides: false,
    "Show the run on a page that a browser opens, such as 127.0.0.1:8270; port 0 takes any free one.")
  static let token = OptionDeclaration.path(
    "dashboard-token-file", valueName: "file", decides: false,
    "A file with a secret of at least 16 characters. Who does not bring it is shown nothing; needed beyond this machine."
  )
  static let metrics = OptionDeclaration.text(
    "metrics-address", valueName: "host:port", defaultText: "none", decides: false,
    "Serve /metrics for Prometheus, /healthz and /readyz, without the page, which has them too.")
  static let terminal = OptionDeclaration.toggle(
    "tui", "On a terminal, show the run on a screen of its own: progress, the loss so far, and a line for each worker.")
  static let tensorBoard = OptionDeclaration.toggle(
    "tensorboard", "Write the run's curves into its folder for TensorBoard as well.")
  static let histograms = OptionDeclaration.whole(
    "tensorboard-histograms", 1...1_000_000_000, valueName: "steps", defaultText: "none", decides: false,
    "With --tensorboard, histograms of each tensor's parameters and gradient, every so many steps.")
  static let onEnd = OptionDeclaration.text(
    "on-end", valueName: "command", defaultText: "none", decides: false,
    "Run this with /bin/sh when the run has ended, well or not: $LOCKSTEP_SUMMARY is its summary.json, $LOCKSTEP_STATUS "
      + "completed or failed.")
  static let options = [dashboard, token, metrics, terminal, tensorBoard, histograms, onEnd]

  static func check(_ given: DeclaredOptions<Self>) throws {
    if given.has(histograms), !given.isOn(tensorBoard) {
      throw ValidationError("--tensorboard-histograms needs --tensorboard")
    }
    _ = try address(dashboard, given.text(dashboard), token: given.text(token))
    _ = try address(metrics, given.text(metrics), token: given.text(token))
    if given.has(token), !given.has(dashboard), !given.has(metrics) {
      throw ValidationError("--dashboard-token-file needs --dashboard or --metrics-address")
    }
  }

  /// The address that `text` gives `option`; nil without.
  ///
  /// - Parameter token: the file of the token; nil for none.
  /// - Throws: `ValidationError` if it is none, or others than this machine's would reach it without a token.
  static func address(_ option: OptionDeclaration, _ text: String?, token: String?) throws -> ServerAddress? {
    guard let text else { return nil }
    do {
      let address = try ServerAddress(text)
      guard address.isLoopback || token != nil else {
        throw ValidationError(
          "--\(option.name) \(text): other machines could read the run; give --\(Self.token.name) FILE, or listen on "
            + "127.0.0.1 and forward the port with ssh -L")
      }
      return address
    } catch let error as AddressError {
      throw ValidationError("--\(option.name) \(text): \(error)")
    }
  }
}

/// The servers that show what a command does.
final class Dashboard {
  private let servers: [PageServer]

  /// Whether anyone has it open.
  var isWatched: Bool { servers.contains(where: \.isWatched) }

  /// Listens, and prints where.
  ///
  /// - Parameters:
  ///   - page: where the page is to be; nil for nowhere.
  ///   - metrics: the same for metrics alone.
  /// - Throws: `OptionError` that names the option, if it cannot listen there or the token cannot be read.
  init(
    page: ServerAddress?, metrics: ServerAddress? = nil, tokenFile: String?, command: String,
    option: String = WatchSection.dashboard.name
  ) throws {
    let token = try tokenFile.map { path in
      do {
        return try AccessToken.read(path)
      } catch {
        throw OptionError("--\(WatchSection.token.name) \(path): \(error)")
      }
    }
    func listen(_ address: ServerAddress, _ option: String, hasPage: Bool) throws -> PageServer {
      do {
        return try PageServer(
          address, token: token, hasPage: hasPage, command: command, version: LockstepCommands.version)
      } catch {
        throw OptionError("--\(option) \(address): \(error)")
      }
    }
    var servers: [PageServer] = []
    if let page {
      let server = try listen(page, option, hasPage: true)
      servers.append(server)
      printLine("dashboard: \(server.link)" + (token == nil ? "" : "?token=… with the content of \(tokenFile ?? "")"))
    }
    if let metrics {
      let server = try listen(metrics, WatchSection.metrics.name, hasPage: false)
      servers.append(server)
      printLine("metrics: \(server.link)metrics")
    }
    self.servers = servers
  }

  /// Shows a run's folder, which is there.
  func show(run folder: String) throws { for server in servers { try server.show(run: folder) } }

  func show(sweep folder: String) throws { for server in servers { try server.show(sweep: folder) } }

  /// Tells open pages how it has ended, and does not wait long for those that do not read.
  func finish() { for server in servers { server.finish(within: 1) } }
}

extension DeclaredOptions<WatchSection> {
  /// - Throws: as ``Dashboard``.
  func dashboard(_ command: String) throws -> Dashboard {
    try Dashboard(
      page: WatchSection.address(WatchSection.dashboard, text(WatchSection.dashboard), token: text(WatchSection.token)),
      metrics: WatchSection.address(WatchSection.metrics, text(WatchSection.metrics), token: text(WatchSection.token)),
      tokenFile: text(WatchSection.token), command: command)
  }
}
