package import Foundation
internal import Kernels
internal import Protocol

/// Where a worker is started as a process, and how.
package struct WorkerLaunch: Sendable {
  let program: URL
  /// What the program is given at the start after so many others.
  let arguments: @Sendable (_ restarts: Int) -> [String]
  /// What its standard input begins with; then it stays open.
  var input = ""
  /// The cores that it is kept to; nil for any.
  var cores: [Int]?
  /// What the coordinator calls the worker of that start.
  var name: @Sendable (_ restarts: Int, _ processIdentifier: Int32) -> String = { Worker.name(processIdentifier: $1) }
  /// Takes each line that it writes; nil shows none.
  var show: (@Sendable (String) -> Void)?
  /// What to add to an end that has a remedy.
  var hint: @Sendable (ProcessEnd) -> String? = { _ in nil }

  /// Places for `count` workers beside this process, of the same program.
  ///
  /// - Parameter timeline: the ``Timeline`` that they add theirs to.
  /// - Throws: ``TrainingError`` where this program's file is not found.
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

  /// This program's file.
  ///
  /// - Throws: ``TrainingError`` where it is not found.
  package static func ownProgram() throws -> URL {
    guard let program = Bundle.main.executableURL else {
      throw TrainingError("this program's own file cannot be found, so no workers can be started from it")
    }
    return program
  }
}
