internal import Foundation
internal import Protocol
package import ZeroMQ

/// A host on which a worker is started over ssh, as `HOST` or `USER@HOST`.
package struct RemoteHost: Sendable, Equatable, CustomStringConvertible {
  /// As ssh takes it.
  package let name: String
  package let threads: Int

  /// Whether this is the same machine, which needs no ssh.
  package var isHere: Bool { name == "localhost" }

  /// Reads `HOST[:THREADS]`; an IPv6 address stands in brackets.
  ///
  /// - Throws: ``TrainingError`` if `text` has another form.
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

  package var description: String { "\(name):\(threads)" }

  private init(name: String, threads: Int) { (self.name, self.threads) = (name, threads) }

  /// The same host with another number of threads.
  package func with(threads: Int) -> RemoteHost { RemoteHost(name: name, threads: threads) }
}

extension WorkerLaunch {
  /// Launches of a worker on each of `hosts`. Lines that workers print are shown after the host's name.
  ///
  /// - Parameters:
  ///   - shell: the words of a command that, like ssh, takes a host and a command line.
  ///   - program: this program's path on the hosts.
  ///   - pair: the workers' key, which they get by standard input.
  ///   - relaying: whether those on other machines add slices of the gradients for each other.
  /// - Throws: ``TrainingError`` if `shell` or this program's file is not found.
  package static func remote(
    on hosts: [RemoteHost], by shell: [String], program: String?, connectingTo address: String,
    pair: CurveKeyPair, coordinator: CurveKey, relaying: Bool, show: @escaping @Sendable (String) -> Void
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
        ] + (relaying && !host.isHere ? ["--bind", "tcp://0.0.0.0:0", "--authorized-keys", "\(pair.publicKey)"] : [])
      }
      var launch: WorkerLaunch
      if host.isHere {
        launch = WorkerLaunch(program: own, arguments: worker)
      } else {
        let shell = [try find(shell[0])] + shell.dropFirst()
        // Foundation notices the end of a process by a descriptor that the process inherits. ssh closes it; a shell in
        // between keeps it open.
        launch = WorkerLaunch(program: URL(fileURLWithPath: "/bin/sh")) { restarts in
          let line = ([remoteProgram] + worker(restarts)).map(shellQuoted).joined(separator: " ")
          // The remote shell stays, so that its exit code tells which signal ended the worker.
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

/// Finds a program by its path, or by its name in `PATH`.
private func find(_ program: String) throws -> String {
  let folders =
    program.contains("/")
    ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { $0 + "/" }
  guard let path = folders.map({ $0 + program }).first(where: FileManager.default.isExecutableFile) else {
    throw TrainingError("--ssh: '\(program)' is not found")
  }
  return path
}
