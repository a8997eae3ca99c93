import ArgumentParser
import Testing

@testable import Lockstep

@Suite struct EnvironmentOptionsTests {
  private func arguments(_ given: String, _ environment: [String: String]) throws -> String {
    try EnvironmentOptions(given.split(separator: " ").map(String.init), environment: environment)
      .arguments.joined(separator: " ")
  }

  @Test func aVariableIsAnOptionUnlessTheCommandLineGivesIt() throws {
    let environment = [
      "LOCKSTEP_CONNECT": "tcp://a:1", "LOCKSTEP_SILENCE_LIMIT": "2", "LOCKSTEP_BIND": "tcp://*:1",
    ]
    #expect(try arguments("worker", environment) == "worker --connect=tcp://a:1 --bind=tcp://*:1 --silence-limit=2")
    #expect(
      try arguments("worker --connect tcp://b:2", environment)
        == "worker --bind=tcp://*:1 --silence-limit=2 --connect tcp://b:2")
    #expect(
      try arguments("worker --connect=tcp://b:2", environment)
        == "worker --bind=tcp://*:1 --silence-limit=2 --connect=tcp://b:2")
    #expect(try arguments("coordinator", environment) == "coordinator --bind=tcp://*:1 --silence-limit=2")
    #expect(try arguments("train --workers 2", environment) == "train --workers 2", "a command that has none")
    #expect(try arguments("", environment).isEmpty)
  }

  @Test func emptyIsNotGiven() throws {
    #expect(try arguments("worker", ["LOCKSTEP_CONNECT": ""]) == "worker")
  }

  @Test func flagsAreYesOrNo() throws {
    #expect(try arguments("worker", ["LOCKSTEP_INSECURE": "1"]) == "worker --insecure")
    #expect(try arguments("worker", ["LOCKSTEP_INSECURE": "No"]) == "worker")
    #expect(throws: ValidationError.self) { try arguments("worker", ["LOCKSTEP_INSECURE": "maybe"]) }
  }

  /// So that a change of the parser's description is noticed.
  @Test func eachOptionOfBothCommandsHasAVariable() throws {
    let coordinator = CoordinatorCommand.declared.map(\.name)
    let worker = WorkerCommand.declared.map(\.name)
    for name in ["bind", "advertise", "key", "authorized-keys", "insecure", "resume", "epochs", "model", "transport"] {
      #expect(coordinator.contains(name))
    }
    #expect(
      Set(worker).isSuperset(of: [
        "connect", "threads", "connect-timeout", "reconnect-timeout", "silence-limit", "key", "coordinator-key",
        "insecure", "timeline",
      ]))
    #expect(!worker.contains("help"))
  }

  @Test func aVariableThatIsNearlyAnOptionsIsDoubted() throws {
    let environment = [
      "LOCKSTEP_LERNING_RATE": "1", "LOCKSTEP_CONECT": "a", "LOCKSTEP_HEAVY": "1", "LOCKSTEP_KEEP": "2",
    ]
    #expect(
      try EnvironmentOptions(["worker"], environment: environment).doubts == [
        "LOCKSTEP_CONECT is no option's variable; did you mean LOCKSTEP_CONNECT?",
        "LOCKSTEP_LERNING_RATE is no option's variable; did you mean LOCKSTEP_LEARNING_RATE?",
      ])
  }
}
