import Foundation
import Testing

/// Workers that are each other's relays.
@Suite(.serialized) struct RelayTests {
  private let scratch: Scratch
  // Two chunks of parameters, so that two workers are relays.
  private let job = ["--data", "digits", "--model", "mlp:512,512", "--batch-size", "64"]

  init() throws {
    scratch = try Scratch()
  }

  private func relays(_ count: Int, of coordinator: Coordinating) throws -> [Program] {
    try (0..<count).map { _ in
      try Program(["worker", "--connect", coordinator.address, "--bind", "tcp://127.0.0.1:0"])
    }
  }

  @Test(
    "workers that sum for each other end with the same bits",
    arguments: [
      ("auto", []), ("zmq", []), ("zmq", ["--local-steps", "4", "--replicas", "8"]),
      ("auto", ["--local-steps", "3", "--replicas", "4", "--precision", "bf16"]),
    ])
  func relays(_ transport: String, _ options: [String]) throws {
    let job = job + ["--epochs", "12"] + options
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(scratch, job + ["--topology", "mesh", "--transport", transport])
    let workers = try relays(3, of: coordinator)
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
    let output = coordinator.program.output
    #expect(output.contains("relays: 2 workers sum the gradient for each other\n"), "\(output)")
    #expect(!coordinator.program.errors.contains("cannot reach"), "\(coordinator.program.errors)")
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test(
    "a relay that is killed or hangs does not change the bits",
    arguments: [(SIGKILL, []), (SIGSTOP, []), (SIGKILL, ["--local-steps", "4", "--replicas", "8"])])
  func lostRelay(_ signal: Int32, _ options: [String]) throws {
    let job = job + ["--epochs", "30"] + options
    let expected = try train(scratch, job, output: "undisturbed")
    let coordinator = try Coordinating(
      scratch, job + ["--topology", "mesh", "--transport", "zmq", "--silence-limit", "1"])
    let workers = try relays(3, of: coordinator)
    try #require(coordinator.program.waitForOutput("relays: 2 workers"), "\(coordinator.program.errors)")
    try #require(coordinator.program.waitForOutput("epoch  4/30"))
    workers[0].send(signal)
    #expect(coordinator.program.wait() == 0, "\(coordinator.program.errors)")
    #expect(coordinator.program.errors.contains("has left"), "\(coordinator.program.errors)")
    workers[0].send(SIGCONT)
    for worker in workers.dropFirst() { #expect(worker.wait() == 0, "\(worker.errors)") }
    #expect(try Summary(scratch.path("run")).parameters_sha256 == expected.parameters_sha256)
  }

  @Test("a relay that could be reached by anyone says what is missing")
  func keys() throws {
    let worker = try Program(["worker", "--connect", "tcp://127.0.0.1:9", "--bind", "tcp://0.0.0.0:0"])
    #expect(worker.wait() == 64)
    #expect(worker.errors.contains("--bind tcp://0.0.0.0:0: --authorized-keys must say"), "\(worker.errors)")
  }
}
