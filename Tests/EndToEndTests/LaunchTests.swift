import Foundation
import TestSupport
import Testing

/// `lockstep launch`, which starts workers by a command such as ssh.
@Suite(.serialized) struct LaunchTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// On hosts of a network, by real sshd: equal bits, killed workers, cut connections, signals, nothing left behind.
  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func launchesOnOtherHosts() throws {
    guard let (run, code) = try runOnHosts("Tests/EndToEndTests/launch.py", seconds: 300) else { return }
    #expect(code == 0, "\(run.output)\(run.errors)")
  }

  /// A command that takes a host and a command line, as ssh does, and runs it here.
  private func localShell() throws -> String {
    let path = scratch.url.appendingPathComponent("shell").path
    try "#!/bin/sh\nshift\nexec sh -c \"$1\"\n".write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    return path
  }

  private func launch(_ hosts: String, _ options: [String] = [], to folder: String) throws -> Program {
    try Program(
      ["launch", "--hosts", hosts, "--bind", "tcp://127.0.0.1:0", "--steps", "20", "--output", scratch.path(folder)]
        + options)
  }

  @Test func hostsHereAndElsewhereGiveTheBitsOfTrain() throws {
    let local = try Program(["train", "--steps", "20", "--output", scratch.path("local")])
    #expect(local.wait(seconds: 60) == 0, "\(local.errors)")
    let run = try launch("x:2,localhost", ["--ssh", try localShell()], to: "launched")
    #expect(run.wait(seconds: 60) == 0, "\(run.errors)")
    #expect(local.output.split(separator: "\n").last == run.output.split(separator: "\n").last)
    #expect(run.errors.contains("[x] x/1: connecting to tcp://127.0.0.1:"), "\(run.errors)")
    #expect(run.errors.contains("[localhost] localhost/1: connecting to tcp://127.0.0.1:"), "\(run.errors)")
  }

  @Test("workers that launch arranges end with the same bits", arguments: ["auto", "star", "mesh", "chain", "tree:2"])
  func topologies(_ topology: String) throws {
    let local = try Program(["train", "--steps", "20", "--output", scratch.path("local")])
    #expect(local.wait(seconds: 60) == 0, "\(local.errors)")
    let options = ["--ssh", try localShell(), "--topology", topology, "--transport", "zmq"]
    let run = try launch("x,x,x", options, to: "launched")
    #expect(run.wait(seconds: 60) == 0, "\(run.errors)")
    #expect(local.output.split(separator: "\n").last == run.output.split(separator: "\n").last)
    #expect(run.output.contains("x/1: connecting") || run.errors.contains("x/1: connecting"))
  }

  @Test("another topology is refused")
  func badTopology() throws {
    let run = try launch("x", ["--topology", "tree:1"], to: "launched")
    #expect(run.wait(seconds: 60) == 64)
    #expect(
      run.errors.contains("--topology tree:1: it must be auto, star, mesh, chain or tree:K with K from 2 to 1024"),
      "\(run.errors)")
  }

  @Test func moreThreadsThanMicroBatchesAreSaid() throws {
    let run = try launch("localhost:6,localhost:6", to: "launched")
    #expect(run.wait(seconds: 60) == 0, "\(run.errors)")
    #expect(run.errors.contains("warning: 12 threads share 8 micro-batches a step"), "\(run.errors)")
  }

  @Test func whatReachesNoHostEndsTheRun() throws {
    let run = try launch("x", ["--ssh", "false"], to: "launched")
    #expect(run.wait(seconds: 60) == 1)
    #expect(run.errors.contains("error: no worker could start; the last: it ended with exit code 1"), "\(run.errors)")
    let missing = try launch("x", ["--ssh", "no-such-shell"], to: "missing")
    #expect(missing.wait(seconds: 60) == 1)
    #expect(missing.errors.contains("error: --ssh: 'no-such-shell' is not found"), "\(missing.errors)")
  }
}
