internal import Foundation
internal import Protocol
package import ZeroMQ

/// A host that workers are started on over ssh, as `HOST` or `USER@HOST`, and the compute threads of one there.
package struct RemoteHost: Sendable, Equatable, CustomStringConvertible {
  /// What ssh is told.
  package let name: String
  /// The compute threads of its worker.
  package let threads: Int

  /// Whether this is the machine that this process runs on, which needs no ssh.
  package var isHere: Bool { name == "localhost" }

  /// Reads `HOST[:THREADS]`, an IPv6 address in brackets.
  ///
  /// - Throws: ``TrainingError`` where it is none.
  package init(_ text: some StringProtocol) throws {
    var name = Substring(text)
    var count: Substring?
    if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") {
      count = name[name.index(after: colon)...]
      name = name[..<colon]
    }
    if name.hasSuffix("]"), let bracket = name.firstIndex(of: "[") {
      name.removeLast()
      name.remove(at: bracket)
    } else if name.contains(":") {
      throw TrainingError("'\(text)': an IPv6 address stands in brackets, as in [fe80::1]:8")
    }
    guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(where: \.isWhitespace) else {
      throw TrainingError("'\(text)': a host is HOST, USER@HOST or HOST:THREADS")
    }
    guard let threads = count.map({ Int($0) }) ?? 1, (1...1024).contains(threads) else {
      throw TrainingError("'\(text)': a host's threads are a number from 1 to 1024")
    }
    self.name = String(name)
    self.threads = threads
  }

  /// The host and its worker's threads.
  package var description: String { "\(name):\(threads)" }
}

extension WorkerLaunch {
  /// Places for a worker on each of `hosts`; what they write is shown with the host before it.
  ///
  /// - Parameters:
  ///   - shell: the words of a command that takes a host and a command line for a shell there, as ssh does.
  ///   - program: this program's path on the hosts.
  ///   - pair: the workers' key, handed over by their standard input, and the coordinator's.
  /// - Throws: ``TrainingError`` where `shell` or this program's file is not found.
  package static func remote(
    on hosts: [RemoteHost], by shell: [String], program: String?, connectingTo address: String,
    pair: CurveKeyPair, coordinator: CurveKey, show: @escaping @Sendable (String) -> Void
  ) throws -> [WorkerLaunch] {
    let own = try ownProgram()
    let remoteProgram = program ?? own.path
    var counts: [String: Int] = [:]
    return try hosts.map { host in
      counts[host.name, default: 0] += 1
      let first = "\(host.name)/\(counts[host.name]!)"
      @Sendable func name(_ restarts: Int) -> String { restarts == 0 ? first : "\(first), start \(restarts + 1)" }
      @Sendable func worker(_ restarts: Int) -> [String] {
        [
          "worker", "--connect", address, "--threads", "\(host.threads)", "--name", name(restarts), "--key", "-",
          "--coordinator-key", "\(coordinator)", "--end-with-input",
        ]
      }
      var launch: WorkerLaunch
      if host.isHere {
        launch = WorkerLaunch(program: own, arguments: worker)
      } else {
        let shell = [try find(shell[0])] + shell.dropFirst()
        // ssh closes every descriptor that it does not know, and Foundation takes one of them for its end; a shell in
        // between holds that open.
        launch = WorkerLaunch(program: URL(fileURLWithPath: "/bin/sh")) { restarts in
          let line = ([remoteProgram] + worker(restarts)).map(shellQuoted).joined(separator: " ")
          // The shell there stays, to say by its exit code which signal has ended the worker.
          return ["-c", #""$@"; exit $?"#, "sh"] + shell + [host.name, "sh -c \(shellQuoted("\(line); exit $?"))"]
        }
        launch.hint = { end in
          end.exitCode == 127 || end.exitCode == 126
            ? "--remote-program says where lockstep is on the hosts" : nil
        }
      }
      launch.input = pair.secretBase64 + "\n"
      launch.name = { restarts, _ in name(restarts) }
      launch.show = { line in show("[\(host.name)] \(line)") }
      return launch
    }
  }
}

/// The file of a program that is given by its path or found by its name.
private func find(_ program: String) throws -> String {
  let folders =
    program.contains("/")
    ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { $0 + "/" }
  guard let path = folders.map({ $0 + program }).first(where: FileManager.default.isExecutableFile) else {
    throw TrainingError("--ssh: '\(program)' is not found")
  }
  return path
}
