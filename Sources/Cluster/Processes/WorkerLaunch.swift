package import Foundation
internal import Kernels
internal import Protocol

/// How to start a worker process.
package struct WorkerLaunch: Sendable {
  let program: URL
  /// The arguments after so many restarts.
  let arguments: @Sendable (_ restarts: Int) -> [String]
  /// The beginning of its standard input, which then stays open.
  var input = ""
  /// The cores that it is bound to; nil for any.
  var cores: [Int]?
  /// The worker's name at the coordinator.
  var name: @Sendable (_ restarts: Int, _ processIdentifier: Int32) -> String = { Worker.name(processIdentifier: $1) }
  /// Gets each line that the worker prints; nil shows none.
  var show: (@Sendable (String) -> Void)?
  /// A remedy to add to an error, if there is one.
  var hint: @Sendable (ProcessEnd) -> String? = { _ in nil }

  /// Launches of `count` workers on this machine, with this program.
  ///
  /// - Parameter timeline: the file of the ``Timeline`` to which they append theirs.
  /// - Throws: ``TrainingError`` if this program's file is not found.
  package static func local(
    _ count: Int, threads: Int, connectingTo address: String, timeline: String? = nil
  ) throws -> [WorkerLaunch] {
    let program = try ownProgram()
    let arguments =
      ["worker", "--connect", address, "--threads", "\(threads)", "--end-with-input"]
      + (timeline.map { ["--append-timeline", $0] } ?? [])
    let cores = Cores.shares(of: Cores.allowed, processes: count, threads: threads)
    return (0..<count).map { WorkerLaunch(program: program, arguments: { _ in arguments }, cores: cores?[$0]) }
  }

  /// - Throws: ``TrainingError`` if this program's file is not found.
  package static func ownProgram() throws -> URL {
    guard let program = Bundle.main.executableURL else {
      throw TrainingError("this program's own file cannot be found, so no workers can be started from it")
    }
    return program
  }
}
