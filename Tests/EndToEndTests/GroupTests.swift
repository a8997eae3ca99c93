import Foundation
import Testing

/// Workers behind relays.
@Suite(.serialized) struct GroupTests {
  private let scratch: Scratch
  private let job = ["--data", "digits", "--model", "mlp:64", "--batch-size", "64", "--micro-batches", "16"]

  init() throws {
    scratch = try Scratch()
  }

  /// A relay or worker, and where others reach it.
  private func listening(_ arguments: [String]) throws -> (program: Program, address: String) {
    let program = try Program(arguments)
    let start = "start workers with: lockstep worker --connect "
    try #require(program.waitForOutput(start), "\(program.errors)")
    let rest = program.output.components(separatedBy: start).last!
    return (program, String(rest.prefix { !$0.isWhitespace }))
  }

  private func relay(_ address: String) throws -> (program: Program, address: String) {
    try listening(["relay", "--connect", address, "--bind", "tcp://127.0.0.1:0", "--silence-limit", "1"])
  }

  private func worker(_ address: String) throws -> Program {
    try Program(["worker", "--connect", address, "--silence-limit", "1"])
  }

  @Test("workers behind relays, and relays behind relays, change no bit")
  func relays() throws {
    let job = job + ["--epochs", "200", "--evaluate-every", "50"]
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--transport", "zmq"])
    let first = try relay(coordinator.address)
    let second = try relay(first.address)
    let programs =
      [first.program, second.program]
      + (try [coordinator.address, first.address, second.address, second.address].map(worker))
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    for program in programs { #expect(program.wait() == 0, "\(program.errors)") }
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test("a chain of workers, each the relay of the next, ends with the same bits")
  func chain() throws {
    let job = job + ["--epochs", "200"]
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--transport", "zmq"])
    var address = coordinator.address
    var programs: [Program] = []
    for _ in 0..<3 {
      let next = try listening(["worker", "--connect", address, "--bind", "tcp://127.0.0.1:0", "--silence-limit", "1"])
      programs.append(next.program)
      address = next.address
    }
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    for program in programs { #expect(program.wait() == 0, "\(program.errors)") }
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test("workers whose relay is lost find another way", arguments: [SIGKILL, SIGSTOP])
  func lostRelay(_ signal: Int32) throws {
    let job = job + ["--epochs", "300"]
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--transport", "zmq", "--silence-limit", "1"])
    let relays = try (0..<2).map { _ in try relay(coordinator.address) }
    var workers = try [worker(relays[1].address), worker(relays[1].address)]
    try #require(coordinator.program.waitForOutput("epoch   1/300"), "\(coordinator.program.errors)")
    // One that has never had a session would know no other way.
    for _ in 0..<2 {
      let own = try worker(relays[0].address)
      try #require(
        coordinator.program.waitForOutput("/\(own.processIdentifier)) has joined"), "\(coordinator.program.errors)")
      workers.append(own)
    }
    relays[0].program.send(signal)
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    let errors = coordinator.program.errors
    // Their connections to the coordinator, which the relay has for them, may be missed before the relay is.
    let isNoticed = ["it came by relay ", "its connection is gone"].contains { errors.contains("has left: \($0)") }
    #expect(isNoticed && !errors.contains("other bits"), "\(errors)")
    relays[0].program.send(SIGCONT)
    for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test("a relay that could be reached by anyone says what is missing")
  func keys() throws {
    let relay = try Program(["relay", "--connect", "tcp://127.0.0.1:9", "--bind", "tcp://0.0.0.0:0"])
    #expect(relay.wait() == 64)
    #expect(relay.errors.contains("--bind tcp://0.0.0.0:0: --authorized-keys must say"), "\(relay.errors)")
  }
}
